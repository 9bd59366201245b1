"""A reader's place in the log as text, `epoch-seq`; it must not know whether the log still holds that place."""

import re

# Canonical numbers only: two spellings of one position would be two ids to a client that drops what it has seen.
_CURSOR = re.compile(r"([0-9A-Za-z]{1,16})-(0|[1-9][0-9]{0,17})", re.ASCII)


def write_cursor(epoch: str, seq: int) -> str:
    """The id of the event at `seq`, which is also the cursor of a reader that has had it."""
    return f"{epoch}-{seq}"


def read_cursor(text: str) -> tuple[str, int] | None:
    """Epoch and position, or None for what no log of ours has ever given out."""
    found = _CURSOR.fullmatch(text)
    return (found[1], int(found[2])) if found else None
