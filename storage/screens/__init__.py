"""Queries for the screens: the worklist, the board and one patient's day. They write nothing."""
