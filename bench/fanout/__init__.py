"""Measures the event stream's speed beside nginx with nchan and beside queues; it must not change any of the three."""
