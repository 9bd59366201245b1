"""Who is connected to the stream of any API process, as one answer: here as it is, elsewhere as it was reported; it changes nothing."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from patient_visit_engine.live.cursor import read_cursor
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.subscriber import Presence
from patient_visit_engine.storage.presence import ReportedProcess
from patient_visit_engine.visit.calendar import to_rfc3339

#: Readers put into the answer before the event loop has its turn.
READERS_AT_ONCE = 500

Item = dict[str, Any]


def here(hub: Hub | None, process: str, now: datetime) -> Iterator[Item]:
    """The readers of this process as they are."""
    at = to_rfc3339(now)
    for one in [] if hub is None else hub.presence():
        yield _item(one, process, at)


def elsewhere(processes: Sequence[ReportedProcess]) -> Iterator[Item]:
    """The readers of other processes, each as its process last said."""
    for process in processes:
        at = to_rfc3339(process.at)
        for one in process.readers:
            cursor = one.cursor or process.cursor
            behind = max(0, _position(process.cursor) - _position(cursor))
            seen = Presence(one.user, one.name, one.role, one.since, cursor, behind, one.cursor is None)
            yield _item(seen, process.id, at)


def _position(cursor: str) -> int:
    placed = read_cursor(cursor)
    return 0 if placed is None else placed[1]


def _item(one: Presence, process: str, as_of: str) -> Item:
    return {
        "user": one.user,
        "name": one.name,
        "role": one.role,
        "since": to_rfc3339(one.since),
        "cursor": one.cursor,
        "behind": one.behind,
        "live": one.live,
        "process": process,
        "as_of": as_of,
    }


def _longest_first(item: Item) -> tuple[str, str, str, str]:
    # Streams of one user that were opened in the same millisecond differ in nothing but where they are.
    return item["since"], item["process"], item["user"], item["cursor"]


async def together(*readers: Iterator[Item]) -> bytes:
    """The answer's body, longest connected first. Made in portions: thousands of readers at once would delay every stream."""
    items: list[Item] = []
    for part in readers:
        for one in part:
            items.append(one)
            if len(items) % READERS_AT_ONCE == 0:
                await asyncio.sleep(0)
    items.sort(key=_longest_first)
    portions: list[str] = []
    for first in range(0, len(items), READERS_AT_ONCE):
        portions += (_as_json(one) for one in items[first : first + READERS_AT_ONCE])
        await asyncio.sleep(0)
    return f'{{"items":[{",".join(portions)}]}}'.encode()


def _as_json(item: Item) -> str:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))
