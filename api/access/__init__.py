"""Identifies callers and checks their roles."""
