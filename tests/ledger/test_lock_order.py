"""PostgreSQL only: every writer locks persons by id, then the doctor, the appointment, the prestation and the log's head."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_visit_engine.storage.bulk_master_data import PatientRow, add_missing
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.master_data.appointments import AppointmentPut, put_appointment, write_appointment
from patient_visit_engine.storage.master_data.doctors import DoctorPut, RoomPut, put_doctor, put_room
from patient_visit_engine.storage.master_data.patients import PatientPut, put_patient
from patient_visit_engine.storage.master_data.prestations import PrestationPut, put_prestation
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.storage.person_records import read_record
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.person_records import SeenRecord
from tests.support.builders import (
    CARDIOLOGY,
    DAY,
    DR_AMRANI,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    Patient,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import (
    a_change,
    a_check_in,
    a_completion,
    a_merge,
    a_start,
    a_transfer,
    a_wait,
    a_walk_in,
)
from tests.support.ledger import LedgerDriver, column
from tests.support.lock_waits import is_blocked, other_session, wait_for_blocked
from tests.support.merged_records import make_one_person
from tests.support.statements import recorded_statements

LOCK_ORDER = ("patients", "doctors", "appointments", "prestations", "log_head")
TOKENS = re.compile(r"(?P<open>\()|(?P<close>\))|FROM (?P<table>\w+)|(?P<lock>FOR (?:NO KEY UPDATE|UPDATE|SHARE))")
WRITES = re.compile(r"(?:^|\()(?:UPDATE|INSERT INTO|DELETE FROM) (\w+)")
OF_JOHN = an_appointment(DR_AMRANI, number=1)
OF_MARIA = an_appointment(DR_AMRANI, number=2, patient=MARIA_SILVA)
IN_LINE = an_appointment(DR_SMITH, number=3)
TO_JOHN = AppointmentPut(JOHN_DOE.id, DR_AMRANI.id, CARDIOLOGY.id, NOON + minutes(5), None)
TO_MARIA = replace(TO_JOHN, patient_id=MARIA_SILVA.id)
ADA: PatientRow = {"id": 1, "first_name": "Ada", "last_name": "Byron"}
NEW_PATIENTS: list[PatientRow] = [{**ADA, "id": number} for number in (1, 2, 3)]


@pytest.fixture
async def database(on_postgres: Database) -> Database:
    """A PostgreSQL database with an appointment of John and one of Maria."""
    await on_postgres.write(seed, OF_JOHN, OF_MARIA, IN_LINE)
    return on_postgres


def locked_tables(statement: str) -> list[str]:
    """The tables with rows that the statement locks or writes, in order. The statement in brackets runs first."""
    if writes := WRITES.findall(statement):
        return writes
    from_tables, locked = [""], []
    for token in TOKENS.finditer(statement):
        if token["open"]:
            from_tables.append("")
        elif token["close"]:
            from_tables.pop()
        elif token["table"]:
            from_tables[-1] = token["table"]
        else:
            locked.append(from_tables[-1])
    return locked


def a_put(number: int) -> PutContext:
    return PutContext(number, f"put/{number}", NOON)


async def start(database: Database) -> None:
    await LedgerDriver(database).send(a_start(OF_JOHN))


async def start_with_rule_on_doctors(database: Database) -> None:
    await LedgerDriver(database).send(a_start(OF_JOHN).model_copy(update={"doctor_busy": DoctorBusy.refuse}))


async def check_in(database: Database) -> None:
    await LedgerDriver(database).send(a_check_in(OF_JOHN))


async def start_and_complete(database: Database) -> None:
    ledger = LedgerDriver(database)
    await ledger.send(a_start(OF_JOHN))
    await ledger.send(a_completion(ledger.running))


async def start_and_transfer(database: Database) -> None:
    ledger = LedgerDriver(database)
    await ledger.send(a_start(OF_JOHN))
    await ledger.send(a_transfer(OF_JOHN, ledger.running, DR_SMITH))


async def walk_in(database: Database) -> None:
    await LedgerDriver(database).send(a_walk_in(an_appointment(DR_SMITH, number=4)))


async def rename_patient(database: Database) -> None:
    await database.write(put_patient, a_put(JOHN_DOE.id), PatientPut("John", "Roe"))


async def rename_doctor(database: Database) -> None:
    await database.write(put_doctor, a_put(DR_AMRANI.id), DoctorPut("Dr. New"), DAY)


async def change_room(database: Database) -> None:
    await database.write(put_room, RoomPut(DR_AMRANI.id, "4", DAY, "room", NOON))


async def change_prestation(database: Database) -> None:
    await database.write(put_prestation, a_put(CARDIOLOGY.id), PrestationPut("Heart", CARDIOLOGY.exclusive, 5))


async def move_appointment(database: Database) -> None:
    await write_appointment(database, a_put(OF_JOHN.id), TO_MARIA)


async def move_appointment_in_line(database: Database) -> None:
    ledger = LedgerDriver(database)
    await ledger.send(a_start(OF_JOHN))
    await ledger.send(a_wait(IN_LINE))
    await ledger.send(a_change(IN_LINE, patient_id=MARIA_SILVA.id))


MARIA = SeenRecord(id=MARIA_SILVA.id, person_id=MARIA_SILVA.id, record_ids=(MARIA_SILVA.id,))


async def merge_records(database: Database) -> None:
    await LedgerDriver(database).send(a_merge(MARIA))


async def create_appointment(database: Database) -> None:
    await write_appointment(database, a_put(77), TO_MARIA)


async def import_patients(database: Database) -> None:
    await database.write(add_missing, patients, NEW_PATIENTS, ("first_name",))


@pytest.mark.parametrize(
    ("writer", "expected"),
    [
        (start, ["patients", "appointments", "prestations", "log_head"]),
        (start_with_rule_on_doctors, ["patients", "doctors", "appointments", "prestations", "log_head"]),
        (check_in, ["patients", "appointments", "prestations", "log_head"]),
        (start_and_complete, ["patients", "appointments", "prestations", "log_head"]),
        (start_and_transfer, ["patients", "appointments", "prestations", "log_head"]),
        # Its appointment is new.
        (walk_in, ["patients", "appointments", "log_head"]),
        (rename_patient, ["patients", "log_head"]),
        (rename_doctor, ["doctors", "log_head"]),
        (change_room, ["doctors", "log_head"]),
        (change_prestation, ["prestations", "log_head"]),
        (move_appointment, ["patients", "appointments", "log_head"]),
        (move_appointment_in_line, ["patients", "appointments", "prestations", "log_head"]),
        (merge_records, ["patients", "appointments", "log_head"]),
        (create_appointment, ["patients", "appointments", "log_head"]),
        (import_patients, ["patients"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_writer_locks_tables_in_order(
    database: Database, writer: Callable[[Database], Awaitable[None]], expected: list[str]
) -> None:
    with recorded_statements() as statements:
        await writer(database)

    tables = [table for statement in statements for table in locked_tables(statement) if table in LOCK_ORDER]
    first_locks = list(dict.fromkeys(tables))
    assert first_locks == expected == sorted(expected, key=LOCK_ORDER.index)


LOCKED_IDS = {
    "patients": JOHN_DOE.id,
    "doctors": DR_AMRANI.id,
    "appointments": OF_JOHN.id,
    "prestations": CARDIOLOGY.id,
}


async def is_locked(session: AsyncConnection, table: str) -> bool:
    """Whether another session has locked the row of the table."""
    row = text(f"SELECT id FROM {table} WHERE id = {LOCKED_IDS[table]} FOR UPDATE SKIP LOCKED")
    return await session.scalar(row) is None


@pytest.mark.parametrize("busy", ["patients", "doctors", "appointments", "prestations"])
async def test_start_waits_with_the_earlier_rows_locked(database: Database, busy: str) -> None:
    ledger = LedgerDriver(database)
    entry = ledger.entry(a_start(OF_JOHN).model_copy(update={"doctor_busy": DoctorBusy.refuse}))
    async with other_session(database) as session:
        await session.execute(text(f"SELECT 1 FROM {busy} WHERE id = {LOCKED_IDS[busy]} FOR UPDATE"))
        recording = asyncio.create_task(ledger.record(entry))
        assert await is_blocked(session, recording)
        async with other_session(database) as observer:
            locked = [table for table in LOCKED_IDS if await is_locked(observer, table)]

    assert not (await recording).overtaken
    assert locked == list(LOCKED_IDS)[: len(locked)]
    assert locked[-1] == busy


@pytest.mark.parametrize(("number", "moved"), [(1, TO_MARIA), (2, TO_JOHN)], ids=["John to Maria", "Maria to John"])
async def test_move_locks_both_patients_by_id(database: Database, number: int, moved: AppointmentPut) -> None:
    async with other_session(database) as session:
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {JOHN_DOE.id} FOR UPDATE"))
        moving = asyncio.create_task(write_appointment(database, a_put(number), moved))
        assert await is_blocked(session, moving)
        # It waits for the first patient, and has locked neither the second one nor the appointment.
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {MARIA_SILVA.id} FOR UPDATE NOWAIT"))
        await session.execute(text(f"SELECT 1 FROM appointments WHERE id = {number} FOR UPDATE NOWAIT"))

    await moving


@pytest.mark.parametrize("by_visit_of", [JOHN_DOE, MARIA_SILVA], ids=["John to Maria", "Maria to John"])
async def test_move_by_visit_locks_both_patients_by_id(database: Database, by_visit_of: Patient) -> None:
    other = MARIA_SILVA if by_visit_of is JOHN_DOE else JOHN_DOE
    waited_for = OF_JOHN if by_visit_of is JOHN_DOE else OF_MARIA
    ledger = LedgerDriver(database, patient_id=by_visit_of.id)
    async with other_session(database) as session:
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {JOHN_DOE.id} FOR UPDATE"))
        moving = asyncio.create_task(ledger.send(a_change(waited_for, patient_id=other.id)))
        assert await is_blocked(session, moving)
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {MARIA_SILVA.id} FOR UPDATE NOWAIT"))
        await session.execute(text(f"SELECT 1 FROM appointments WHERE id = {waited_for.id} FOR UPDATE NOWAIT"))

    assert (await moving).status == 200


@pytest.mark.parametrize("survivor", [JOHN_DOE, MARIA_SILVA], ids=["into John", "into Maria"])
async def test_merge_locks_all_records_by_id(database: Database, survivor: Patient) -> None:
    retired = MARIA_SILVA if survivor is JOHN_DOE else JOHN_DOE
    await database.write(add_missing, patients, [ADA], ("first_name",))
    await database.write(make_one_person, retired.id, ADA["id"])
    record = await database.read(read_record, retired.id)
    assert record is not None
    ledger = LedgerDriver(database, patient_id=survivor.id)
    async with other_session(database) as session:
        # The record with the lowest id was merged into the retired one before, and belongs to the merge too.
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {ADA['id']} FOR UPDATE"))
        merging = asyncio.create_task(ledger.send(a_merge(record, into=survivor.id)))
        assert await is_blocked(session, merging)
        for patient in (JOHN_DOE, MARIA_SILVA):
            await session.execute(text(f"SELECT 1 FROM patients WHERE id = {patient.id} FOR UPDATE NOWAIT"))

    assert (await merging).status == 200


async def test_repeats_put_of_appointment_that_moves(database: Database) -> None:
    async with other_session(database) as session:
        await session.run_sync(put_appointment, a_put(OF_JOHN.id), TO_MARIA)
        again = PutContext(OF_JOHN.id, "put/again", NOON)
        putting = asyncio.create_task(write_appointment(database, again, TO_JOHN))
        assert await is_blocked(session, putting)

    await putting

    assert await database.read(column, "appointments", "patient_id") == [JOHN_DOE.id, MARIA_SILVA.id, JOHN_DOE.id]
    moved = [JOHN_DOE.id, MARIA_SILVA.id, MARIA_SILVA.id, JOHN_DOE.id]
    assert await database.read(column, "events", "patient_id") == moved


RETIRED, SURVIVOR = 1_001, 1_002


RECORDS: list[PatientRow] = [{**ADA, "id": number} for number in (RETIRED, SURVIVOR)]


@pytest.fixture
async def two_records(database: Database) -> None:
    """Two records, of which the first one is retired in the test."""
    await database.write(add_missing, patients, RECORDS, ("first_name",))


async def patients_of(database: Database, number: int) -> list[tuple[int, int]]:
    """The record of the appointment, and the patient of its last event."""
    query = text(
        "SELECT a.patient_id, (SELECT patient_id FROM events ORDER BY seq DESC LIMIT 1)"
        f" FROM appointments a WHERE a.id = {number}"
    )
    return await database.read(lambda connection: [tuple(row) for row in connection.execute(query)])


@pytest.mark.usefixtures("two_records")
@pytest.mark.parametrize("number", [77, OF_JOHN.id], ids=["new", "moved"])
async def test_put_that_waits_for_a_merge_is_the_survivors(database: Database, number: int) -> None:
    async with other_session(database) as session:
        await session.run_sync(make_one_person, SURVIVOR, RETIRED)
        of_retired = replace(TO_JOHN, patient_id=RETIRED)
        putting = asyncio.create_task(write_appointment(database, a_put(number), of_retired))
        assert await is_blocked(session, putting)

    stored = await putting

    assert stored.appointment.patient_id == SURVIVOR
    assert await patients_of(database, number) == [(RETIRED, SURVIVOR)]


@pytest.mark.usefixtures("two_records")
async def test_put_of_an_appointment_whose_patient_is_merged_waits(database: Database) -> None:
    await write_appointment(database, a_put(77), replace(TO_JOHN, patient_id=RETIRED))
    async with other_session(database) as session:
        await session.run_sync(make_one_person, SURVIVOR, RETIRED)
        rescheduled = AppointmentPut(scheduled_at=NOON + minutes(10))
        putting = asyncio.create_task(write_appointment(database, PutContext(77, "put/again", NOON), rescheduled))
        assert await is_blocked(session, putting)

    assert (await putting).appointment.patient_id == SURVIVOR
    assert await patients_of(database, 77) == [(RETIRED, SURVIVOR)]


@pytest.mark.usefixtures("two_records")
async def test_merge_waits_for_put(database: Database) -> None:
    async with other_session(database) as session:
        await session.run_sync(put_appointment, a_put(77), replace(TO_JOHN, patient_id=RETIRED))
        merging = asyncio.create_task(database.write(make_one_person, SURVIVOR, RETIRED))
        assert await is_blocked(session, merging)

    await merging

    appointment = await LedgerDriver(database).appointment(77)
    assert appointment.patient_id == SURVIVOR
    assert await patients_of(database, 77) == [(RETIRED, RETIRED)]


@pytest.mark.usefixtures("two_records")
async def test_move_between_retired_records_locks_survivors_by_id(database: Database) -> None:
    await database.write(make_one_person, SURVIVOR, RETIRED)
    await database.write(make_one_person, JOHN_DOE.id, MARIA_SILVA.id)
    async with other_session(database) as session:
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {JOHN_DOE.id} FOR UPDATE"))
        of_retired = replace(TO_JOHN, patient_id=RETIRED)
        moving = asyncio.create_task(write_appointment(database, a_put(OF_MARIA.id), of_retired))
        assert await is_blocked(session, moving)
        # Neither the second survivor nor a retired record is locked.
        others = f"({MARIA_SILVA.id}, {RETIRED}, {SURVIVOR})"
        await session.execute(text(f"SELECT 1 FROM patients WHERE id IN {others} FOR UPDATE NOWAIT"))

    assert (await moving).appointment.patient_id == SURVIVOR


async def test_imports_in_opposite_order_do_not_deadlock(database: Database) -> None:
    def add(rows: list[PatientRow]) -> Awaitable[object]:
        return database.write(partial(add_missing, table=patients, rows=rows, compare=("first_name",)))

    async with other_session(database) as session:
        await session.run_sync(partial(add_missing, table=patients, rows=NEW_PATIENTS[1:2], compare=("first_name",)))
        imports = [asyncio.ensure_future(add(rows)) for rows in (NEW_PATIENTS, NEW_PATIENTS[::-1])]
        await wait_for_blocked(session, 2)

    await asyncio.gather(*imports)

    assert await database.read(column, "patients", "id") == [1, 2, 3, JOHN_DOE.id, MARIA_SILVA.id]
