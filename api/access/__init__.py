"""Who calls, and what each role may do."""
