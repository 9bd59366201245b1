"""What a visit may ask of the world; it must not know SQL or HTTP."""
