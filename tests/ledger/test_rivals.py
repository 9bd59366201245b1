"""Eight doctors in eight processes start the same patient at the same moment, past any workflow: one is granted."""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import Connection, insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import doctors
from tests.support.builders import Doctor, a_start, an_appointment, seed
from tests.support.ledger import LedgerDriver, column

ROOT = Path(__file__).parents[2]
RIVALS = [an_appointment(Doctor(1_000 + n, f"Dr. Rival {n}")) for n in range(8)]


def hire(connection: Connection) -> None:
    """The eight doctors, each with an appointment of the same patient."""
    for mine in RIVALS:
        connection.execute(insert(doctors).values(id=mine.doctor_id, name=f"Dr. Rival {mine.doctor_id}"))
    seed(connection, *RIVALS)


async def a_rival(url: str, number: int) -> asyncio.subprocess.Process:
    """A process that is ready to start."""
    rival = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.rival_doctor",
        url,
        str(number),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert await line_of(rival) == "ready"
    return rival


async def line_of(rival: asyncio.subprocess.Process) -> str:
    """The next line that it prints."""
    assert rival.stdout is not None
    return (await asyncio.wait_for(rival.stdout.readline(), 60)).decode().strip()


async def all_go(rivals: list[asyncio.subprocess.Process]) -> None:
    """Everybody at once."""
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write(b"go\n")


async def test_of_eight_processes_that_start_one_patient_one_is_granted(database: Database) -> None:
    await database.write(hire)
    url = database.url.render_as_string(hide_password=False)
    rivals = list(await asyncio.gather(*(a_rival(url, mine.id) for mine in RIVALS)))

    await all_go(rivals)
    answers = [await line_of(rival) for rival in rivals]
    trackings = await database.read(column, "patient_trackings", "status")
    told = await database.read(column, "events", "name")
    await all_go(rivals)
    assert [await asyncio.wait_for(rival.wait(), 60) for rival in rivals] == [0] * 8

    assert sorted(answers) == ["201", *["409"] * 7]
    assert trackings == ["in_progress"]
    assert sorted(told) == ["consultation.blocked"] * 7 + ["consultation.started"]
    seqs = await database.read(column, "events", "seq")
    assert seqs == list(range(1, len(seqs) + 1))
    keys = await database.read(column, "events", "dedup_key")
    assert len(set(keys)) == len(keys)
    # The winner's completion met seven starts more: whatever their order, nobody else was let in beside another.
    names = [name for name in await database.read(column, "events", "name") if name != "consultation.blocked"]
    assert names in (
        ["consultation.started", "consultation.completed"],
        ["consultation.started", "consultation.completed", "consultation.started"],
    )


async def test_two_visits_of_one_patient_take_turns_and_the_second_is_refused(database: Database) -> None:
    await database.write(hire)
    one, other = LedgerDriver(database), LedgerDriver(database)

    first, second = (a_start(mine, f"start {mine.id}") for mine in RIVALS[:2])
    answers = await asyncio.gather(one.ask(first), other.ask(second))

    assert sorted(answer.status for answer in answers) == [201, 409]
