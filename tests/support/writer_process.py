"""A process that writes to the log as its standard input says, and can be killed at a moment that a test has chosen.

Each line is an order: `commit`, `roll back`, `halt inside` the transaction behind its events, `halt behind` its commit, or commit
`on and on`, one event after the other. All but the last are answered, by one line, when they are done or where they halt.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.wire.events import Event


class RegretError(Exception):
    """The writer takes its transaction back."""


def an_event(channel: str, number: int, text: str) -> Event:
    return Event("patient.updated", channel, f"test/{channel}/{number}", {"number": number, "text": text}, 1)


def say() -> None:
    print("so it is", flush=True)


def write(connection: Connection, do: str, told: list[Event]) -> None:
    append(connection, told, datetime.now(UTC))
    if do == "roll back":
        raise RegretError
    if do == "halt inside":
        say()
        time.sleep(600)


async def obey(database: Database, order: dict[str, Any]) -> None:
    do, told = order["do"], [an_event(channel, number, order["text"]) for channel, number in order["events"]]
    if do == "on and on":
        for one in told:
            await database.write(write, do, [one])
        return
    with suppress(RegretError):
        await database.write(write, do, told)
    say()
    if do == "halt behind":
        await asyncio.sleep(600)


async def main(url: str) -> None:
    database = Database(url)
    for line in sys.stdin:
        await obey(database, json.loads(line))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
