"""All code that uses SQL. It imports neither Temporal nor HTTP."""
