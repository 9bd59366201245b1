"""One of several doctors, each in a process, who start the same patient at the same moment. `test_rivals.py` runs it.

Usage: `rival_doctor.py DATABASE APPOINTMENT`. Prints `ready`, waits for a line, then prints the status of its start.
After a second line, the doctor with the consultation completes it and the other doctors start again.
"""

import asyncio
import sys

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_appointment
from tests.support.commands import a_completion, a_start
from tests.support.ledger import LedgerDriver


async def main() -> None:
    """Send the start twice under one key, then complete or start again."""
    url, number = sys.argv[1:]
    database = Database(url)
    appointment = await database.read(read_appointment, int(number))
    assert appointment is not None
    print("ready", flush=True)
    sys.stdin.readline()
    ledger = LedgerDriver(database)
    first = await ledger.send(a_start(appointment, f"start {number}"))
    second = await ledger.send(a_start(appointment, f"start {number}"))
    assert first == second
    print(first.status, flush=True)
    sys.stdin.readline()
    if first.status == 201:
        [running] = [c for c in ledger.state.facts.in_progress if c.appointment_id == appointment.id]
        await ledger.send(a_completion(running, f"complete {number}"))
    else:
        await ledger.send(a_start(appointment, f"start again {number}"))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
