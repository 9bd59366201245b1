"""The history of the schema, one revision in each file, ordered by number. A released revision must never change."""
