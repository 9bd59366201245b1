"""Benchmarks: what the engine costs, compared with the floor, a minimal program of the same design on the same machine."""
