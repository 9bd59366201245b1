"""Eight doctors in eight processes start the same patient at the same moment, without a workflow: one gets the patient."""

import asyncio

from sqlalchemy import Connection, insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import doctors
from patient_visit_engine.visit.appointment import Appointment
from tests.support.builders import Doctor, an_appointment, seed
from tests.support.commands import a_start, a_transfer
from tests.support.ledger import LedgerDriver, column
from tests.support.preloaded import Conversation

RIVALS = [an_appointment(Doctor(1_000 + n, f"Dr. Rival {n}")) for n in range(8)]


def insert_rivals(connection: Connection) -> None:
    """Insert eight doctors, each with an appointment of the same patient."""
    for appointment in RIVALS:
        connection.execute(insert(doctors).values(id=appointment.doctor_id, name=f"Dr. Rival {appointment.doctor_id}"))
    seed(connection, *RIVALS)


async def start_rival(url: str, number: int) -> Conversation:
    """Start a process of one doctor and wait until it is ready."""
    rival = await Conversation.start("tests.support.rival_doctor", url, str(number))
    assert await rival.read_line() == "ready"
    return rival


async def send_go(rivals: list[Conversation]) -> None:
    """Let all processes continue at the same moment."""
    for rival in rivals:
        await rival.send("go")


async def test_one_of_eight_processes_gets_the_patient(database: Database) -> None:
    await database.write(insert_rivals)
    url = database.url.render_as_string(hide_password=False)
    rivals = list(await asyncio.gather(*(start_rival(url, appointment.id) for appointment in RIVALS)))

    await send_go(rivals)
    answers = [await rival.read_line() for rival in rivals]
    trackings = await database.read(column, "patient_trackings", "status")
    events = await database.read(column, "events", "name")
    await send_go(rivals)
    assert [await rival.wait() for rival in rivals] == [0] * 8

    assert sorted(answers) == ["201", *["409"] * 7]
    assert trackings == ["in_progress"]
    assert sorted(events) == ["consultation.blocked"] * 7 + ["consultation.started"]
    seqs = await database.read(column, "events", "seq")
    assert seqs == list(range(1, len(seqs) + 1))
    keys = await database.read(column, "events", "dedup_key")
    assert len(set(keys)) == len(keys)
    # The completion of the winner ran at the same time as seven starts. In any order, at most one of them may succeed.
    names = [name for name in await database.read(column, "events", "name") if name != "consultation.blocked"]
    assert names in (
        ["consultation.started", "consultation.completed"],
        ["consultation.started", "consultation.completed", "consultation.started"],
    )


async def test_second_of_two_visits_is_refused(database: Database) -> None:
    await database.write(insert_rivals)
    first_visit, second_visit = LedgerDriver(database), LedgerDriver(database)

    first, second = (a_start(appointment, f"start {appointment.id}") for appointment in RIVALS[:2])
    answers = await asyncio.gather(first_visit.send(first), second_visit.send(second))

    assert sorted(answer.status for answer in answers) == [201, 409]


async def test_no_third_doctor_gets_in_during_a_transfer(database: Database) -> None:
    await database.write(insert_rivals)
    of_sender, of_receiver, *of_others = RIVALS
    visit, receiver = LedgerDriver(database), Doctor(of_receiver.doctor_id, "")
    await visit.send(a_start(of_sender, "start"))
    transfer = a_transfer(of_sender, visit.running, receiver)

    async def start_until_transferred(appointment: Appointment) -> list[int]:
        rival = LedgerDriver(database)
        statuses: list[int] = []
        while not given.done() or not statuses:
            statuses.append((await rival.send(a_start(appointment, f"{appointment.id} {len(statuses)}"))).status)
        # The last one came after the transfer.
        return [*statuses, (await rival.send(a_start(appointment, f"{appointment.id} last"))).status]

    given = asyncio.ensure_future(visit.send(transfer))
    starts = await asyncio.gather(*(start_until_transferred(appointment) for appointment in of_others))
    goes_on = await LedgerDriver(database).send(
        a_start(of_sender.model_copy(update={"doctor_id": receiver.id}), "goes on")
    )

    assert (await given).body["outcome"] == "transferred"
    assert {status for statuses in starts for status in statuses} == {409}
    assert goes_on.status == 201
