"""One doctor of several, each in a process, who starts the same patient at the same moment; run by `test_rivals.py`.

Usage: `rival_doctor.py DATABASE APPOINTMENT`. Says `ready`, waits for a line, then prints the status of its answer.
"""

import asyncio
import sys

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import NameCache, read_appointment
from tests.support.builders import a_completion, a_start
from tests.support.ledger import LedgerDriver


async def main() -> None:
    """Start, twice with one key; and whoever was granted completes, and the rest start once more."""
    url, number = sys.argv[1:]
    database = Database(url)
    mine = await database.read(read_appointment, int(number), NameCache())
    assert mine is not None
    print("ready", flush=True)
    sys.stdin.readline()
    desk = LedgerDriver(database)
    first = await desk.ask(a_start(mine, f"start {number}"))
    again = await desk.ask(a_start(mine, f"start {number}"))
    assert first == again
    print(first.status, flush=True)
    sys.stdin.readline()
    if first.status == 201:
        running = next(c for c in desk.state.facts.in_progress if c.appointment_id == mine.id)
        await desk.ask(a_completion(running, f"complete {number}"))
    else:
        await desk.ask(a_start(mine, f"start again {number}"))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
