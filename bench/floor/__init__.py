"""The least that this design can be: one workflow, one lock, one commit a message; it must not know the engine."""
