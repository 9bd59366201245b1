"""A cursor: a position in the log as text, `epoch-position`."""

import re

# Canonical numbers only. Two spellings of one position would be two ids for a client that drops duplicates.
_CURSOR = re.compile(r"([0-9A-Za-z]{1,16})-(0|[1-9][0-9]{0,17})", re.ASCII)


def write_cursor(epoch: str, position: int) -> str:
    """Return the id of the event at `position`. It is also the cursor of a subscriber that has received this event."""
    return f"{epoch}-{position}"


def read_cursor(text: str) -> tuple[str, int] | None:
    """Return epoch and position, or None for a text that `write_cursor` cannot have written."""
    match = _CURSOR.fullmatch(text)
    return (match[1], int(match[2])) if match else None
