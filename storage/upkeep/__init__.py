"""Sweep, pruning and audit."""
