"""The history of the schema, one revision a file, in the order of their numbers; a revision that was released must never change."""
