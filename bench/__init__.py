"""Measures the engine against the floor of its own design, in one run on one machine; it must not change either of them."""
