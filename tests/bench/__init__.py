"""Tests of the benchmark: its floor, its rounds, its report; they must not time anything."""
