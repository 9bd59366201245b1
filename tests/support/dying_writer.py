"""A program that begins a decision and is killed in the middle of it, over and over; run by `test_crashes.py`.

Usage: `dying_writer.py DATABASE statement|commit`. Prints how many statements it died after before it got through.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import event

from patient_visit_engine.storage.database import Database
from tests.support.builders import DR_AMRANI, NOON, a_completion, a_start, an_appointment, minutes
from tests.support.ledger import LedgerDriver

MINE = an_appointment(DR_AMRANI)


def die_after(database: Database, statements: int) -> None:
    """Have the process killed as soon as so many statements of the writing connection have run."""
    if database._sqlite is not None:
        engine = database._sqlite.writer.engine
    else:
        assert database._postgres is not None
        engine = database._postgres.engine.sync_engine
    done = 0

    @event.listens_for(engine, "after_cursor_execute")
    def count(*_: Any) -> None:
        nonlocal done
        done += 1
        if done > statements:
            os.kill(os.getpid(), signal.SIGKILL)


async def start(url: str, statements: int | None) -> None:
    """Start the consultation and, unless killed before, be killed between the commit and the answer."""
    database = Database(url)
    if statements is not None:
        die_after(database, statements)
    desk = LedgerDriver(database)
    desk.know(await desk.ledger.load(MINE.patient_id))
    if desk.state.facts.in_progress:
        running = desk.state.facts.in_progress[0]
        await desk.ledger.record(desk.entry(a_completion(running), NOON + minutes(5)))
    else:
        await desk.ledger.record(desk.entry(a_start(MINE)))
    if statements is None:
        os.kill(os.getpid(), signal.SIGKILL)
    await database.close()


def in_a_child(url: str, statements: int | None) -> bool:
    """Run it in a process of its own; whether that was killed."""
    child = os.fork()
    if child == 0:
        asyncio.run(start(url, statements))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main() -> None:
    """Die once after the commit, or after each number of statements until the decision gets through."""
    url, point = sys.argv[1:]
    if point == "commit":
        assert in_a_child(url, None)
        return
    survived = 0
    while in_a_child(url, survived):
        survived += 1
        # Only the last child gets through: had a killed one left anything, the next would find it and do otherwise.
    print(survived)


if __name__ == "__main__":
    main()
