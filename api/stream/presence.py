"""Renders `GET /api/presence`: the subscribers of this process, and those that other processes have reported."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import cast

from patient_visit_engine.live.cursor import read_cursor
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.subscriber import Presence
from patient_visit_engine.storage.presence import ReportedProcess
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.process_bodies import ConnectedSubscriber

#: Subscribers that are rendered before the event loop gets its turn.
SUBSCRIBERS_AT_ONCE = 500


def local_items(hub: Hub | None, process: str, now: datetime) -> Iterator[ConnectedSubscriber]:
    """Yield the subscribers of this process as they are now."""
    as_of = to_rfc3339(now)
    for presence in [] if hub is None else hub.presence():
        yield _item(presence, process, as_of)


def reported_items(processes: Sequence[ReportedProcess]) -> Iterator[ConnectedSubscriber]:
    """Yield the subscribers of other processes, as each process last reported them."""
    for process in processes:
        as_of = to_rfc3339(process.at)
        for row in process.subscribers:
            cursor = row.cursor or process.cursor
            behind = max(0, _position(process.cursor) - _position(cursor))
            presence = Presence(row.user, row.name, row.role, row.since, cursor, behind, row.cursor is None)
            yield _item(presence, process.id, as_of)


def _position(cursor: str) -> int:
    epoch_and_position = read_cursor(cursor)
    return 0 if epoch_and_position is None else epoch_and_position[1]


def _item(presence: Presence, process: str, as_of: str) -> ConnectedSubscriber:
    return {
        "user": presence.user,
        "name": presence.name,
        # A string in `live`, which imports nothing of ours. A newer process may also report a role that this one does not know.
        "role": cast(Role, presence.role),
        "since": to_rfc3339(presence.since),
        "cursor": presence.cursor,
        "behind": presence.events_behind,
        "live": presence.live,
        "process": process,
        "as_of": as_of,
    }


def _sort_key(item: ConnectedSubscriber) -> tuple[str, str, str, str]:
    # The cursor comes last: it alone can tell apart two streams that one user opened in the same millisecond.
    return item["since"], item["process"], item["user"], item["cursor"]


async def render_items(*sources: Iterator[ConnectedSubscriber]) -> bytes:
    """Return the answer's body, longest connected first.

    The work is done in portions. Thousands of subscribers in one go would delay every stream.
    """
    items: list[ConnectedSubscriber] = []
    for source in sources:
        for item in source:
            items.append(item)
            if len(items) % SUBSCRIBERS_AT_ONCE == 0:
                await asyncio.sleep(0)
    items.sort(key=_sort_key)
    rendered: list[str] = []
    for first in range(0, len(items), SUBSCRIBERS_AT_ONCE):
        rendered += (_as_json(item) for item in items[first : first + SUBSCRIBERS_AT_ONCE])
        await asyncio.sleep(0)
    return f'{{"items":[{",".join(rendered)}]}}'.encode()


def _as_json(item: ConnectedSubscriber) -> str:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))
