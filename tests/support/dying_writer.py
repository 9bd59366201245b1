"""A program that records decisions and is killed in the middle, again and again. `test_crashes.py` runs it.

Usage: `dying_writer.py DATABASE statement|commit [call]`. With `call` it calls the patient, and otherwise it starts or completes.

With `statement` it prints after how many different statements a process was killed. With `commit` one process is killed
between the commit and the answer.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import Connection, event

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.doctor_calls import read_call
from patient_visit_engine.storage.prepared_statements import PreparedQuery, Row, Values
from tests.support.builders import DAY, DR_AMRANI, NOON, an_appointment, minutes
from tests.support.commands import a_call, a_completion, a_start
from tests.support.ledger import LedgerDriver

APPOINTMENT = an_appointment(DR_AMRANI)


def die_after(database: Database, statements: int) -> None:
    """Kill this process as soon as the writing connection has run more than so many statements."""
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

    if database.is_sqlite:
        rows = PreparedQuery.rows

        def count_rows(query: PreparedQuery, connection: Connection, values: Values) -> list[Row]:
            # On SQLite such a query passes by SQLAlchemy's events.
            read = rows(query, connection, values)
            count()
            return read

        PreparedQuery.rows = count_rows  # type: ignore[method-assign, assignment]


async def write(url: str, statements: int | None, *, calls: bool) -> None:
    """Start the consultation, or complete it if it runs already.

    The process is killed after so many statements; if None, between the commit and the answer.
    """
    database = Database(url)
    if statements is not None:
        die_after(database, statements)
    ledger = LedgerDriver(database)
    await ledger.load_facts()
    if calls:
        last = await database.read(read_call, DR_AMRANI.id, DAY)
        assert last is not None
        await ledger.record(ledger.entry(a_call(APPOINTMENT, last=last.call)))
    elif ledger.state.facts.in_progress:
        await ledger.record(ledger.entry(a_completion(ledger.running), NOON + minutes(5)))
    else:
        await ledger.record(ledger.entry(a_start(APPOINTMENT)))
    if statements is None:
        os.kill(os.getpid(), signal.SIGKILL)
    await database.close()


def write_in_child(url: str, statements: int | None, *, calls: bool) -> bool:
    """Run `write` in a child process; True if that was killed."""
    child = os.fork()
    if child == 0:
        asyncio.run(write(url, statements, calls=calls))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main() -> None:
    """Kill one child after the commit, or one child after each statement until a child lives to the end."""
    url, point, *command = sys.argv[1:]
    calls = command == ["call"]
    if point == "commit":
        assert write_in_child(url, None, calls=calls)
        return
    deaths = 0
    while write_in_child(url, deaths, calls=calls):
        # Only the last child may write. If a killed child left rows, the next one finds them and does something else.
        deaths += 1
    print(deaths)


if __name__ == "__main__":
    main()
