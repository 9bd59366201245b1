"""Benchmarks: what the engine costs, compared with a minimal baseline of the same design on the same machine."""
