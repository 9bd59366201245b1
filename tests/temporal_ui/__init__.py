"""Tests of the proxy in front of Temporal's UI."""
