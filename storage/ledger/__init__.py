"""The only writer of visit state."""
