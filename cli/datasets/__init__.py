"""Readers of published data sets of real appointments, and `visit-engine import`."""
