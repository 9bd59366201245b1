"""The log of a process, read as its JSON lines."""

import json
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until_async


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Every line of the log. Raises ValueError for a line that is not JSON, and for a half-written last line."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def lines_without_temporal(log: Path) -> list[str]:
    """The lines in lower case, but not those about Temporal that is away: for tests that run none."""
    lines = log.read_text().lower().splitlines()
    return [line for line in lines if "temporal cannot be reached" not in line and "temporalio.core" not in line]


async def wait_for_lines(log: Path, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """The lines with these fields, once there are `count`."""

    async def find() -> list[dict[str, Any]] | None:
        matching = [line for line in lines_of(log) if fields.items() <= line.items()]
        return matching if len(matching) >= count else None

    matching: list[dict[str, Any]] = await wait_until_async(find, f"{log.name} has {count} lines with {fields}")
    return matching
