"""One doctor of several, each in a process, who starts the same patient at the same moment; run by `test_rivals.py`.

Usage: `rival_doctor.py DATABASE APPOINTMENT`. Says `ready`, waits for a line, then prints the status of its answer.
"""

import asyncio
import sys

from storage.database import Database
from storage.facts import Known, read_appointment
from tests.builders import a_completion, a_start
from tests.ledger.desk import Desk


async def main() -> None:
    """Start, twice with one key; and whoever was granted completes, and the rest start once more."""
    url, number = sys.argv[1:]
    database = Database(url)
    mine = await database.read(read_appointment, int(number), Known())
    assert mine is not None
    print("ready", flush=True)
    sys.stdin.readline()
    desk = Desk(database)
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
