"""Queries for the screens: the worklist, the board and one patient's day. Also the rows that a command needs. They write nothing."""
