"""The proxy in front of Temporal's UI under `up`: it refuses foreign hosts and, unless a setting allows them, changes."""
