"""A process that writes to the event log. A test sends it orders and can kill it at a chosen moment.

Each line of standard input is an order: `commit`, `roll back`, `halt before commit`, `halt after commit`, `die after commit`
or `commit one by one`. The last one uses one transaction per event and gets no answer. With `die after commit` the process kills
itself before it can send a hint. For all but the last one the process answers `done`, before it dies or halts.
"""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.wire.event_context import Event


class RollbackError(Exception):
    """Rolls the transaction back."""


def an_event(channel: str, number: int, text: str) -> Event:
    return Event("patient.updated", channel, f"test/{channel}/{number}", {"number": number, "text": text}, 1)


def answer() -> None:
    print("done", flush=True)


def write(connection: Connection, order: str, events: list[Event]) -> None:
    append(connection, events, datetime.now(UTC))
    if order == "roll back":
        raise RollbackError
    if order == "halt before commit":
        answer()
        time.sleep(600)


async def execute(database: Database, line: dict[str, Any]) -> None:
    order = line["order"]
    events = [an_event(channel, number, line["text"]) for channel, number in line["events"]]
    if order == "commit one by one":
        for event in events:
            await database.write(write, order, [event])
        return
    with suppress(RollbackError):
        await database.write(write, order, events)
    # Without a pause, so that the hint of this commit is not sent yet.
    answer()
    if order == "die after commit":
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "halt after commit":
        await asyncio.sleep(600)


async def main(url: str) -> None:
    database = Database(url)
    for line in sys.stdin:
        await execute(database, json.loads(line))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
