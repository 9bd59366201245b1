"""The durable side of a visit: order, time and recovery; it must not know SQL, networks or settings."""
