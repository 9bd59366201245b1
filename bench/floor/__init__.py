"""The floor: the smallest program with the engine's design. One workflow, one lock and one commit per message."""
