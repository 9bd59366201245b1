"""Readers of published data sets of real appointments; they must not know the database, HTTP or the rules of a visit."""
