"""Calls in the ledger: rivals at one moment, the doctor's one open call, calls that end early, late calls, and the audit."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.doctor_calls import read_call
from patient_visit_engine.storage.master_data.appointments import AppointmentPut, write_appointment
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.storage.screens.doctor_list import read_list
from patient_visit_engine.storage.tables import appointments, doctors, events, patients
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.storage.upkeep.sweep import find_late_reservations
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import with_call
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.record import LedgerReply
from tests.support.builders import (
    CALENDAR,
    CARDIOLOGY,
    DAY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    X_RAY,
    Doctor,
    Patient,
    Prestation,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import (
    a_call,
    a_cancellation,
    a_change,
    a_check_in,
    a_no_answer,
    a_reassignment,
    a_release,
    a_start,
    an_undo_of_cancellation,
)
from tests.support.ledger import LedgerDriver, column

OF_JOHN, OF_MARIA = an_appointment(number=1), an_appointment(number=2, patient=MARIA_SILVA)
RIVAL_DOCTORS = [Doctor(1_000 + n, f"Dr. Rival {n}") for n in range(8)]
QUEUE = [an_appointment(number=200 + n, patient=Patient(2_000 + n, "Patient", str(n))) for n in range(6)]


async def call(database: Database, appointment: Appointment, at: datetime = NOON, key: str = "call") -> LedgerReply:
    """Call the patient as a visit does that knows nothing yet, and decide again while it is overtaken."""
    ledger = LedgerDriver(database, patient_id=appointment.patient_id)
    command: Any = a_call(appointment, f"{key} {appointment.id}")
    for _ in range(20):
        reply = await ledger.record(ledger.entry(command, at))
        if not reply.overtaken:
            return reply
        command = with_call(command.model_copy(update={"appointment": reply.appointment}), reply.call)
    raise AssertionError("overtaken 20 times")


async def last_call(database: Database) -> DoctorCall:
    last = await database.read(read_call, DR_AMRANI.id, DAY)
    assert last is not None
    return last.call


@pytest.mark.parametrize(
    "prestations", [(CARDIOLOGY,), (X_RAY,), (X_RAY, CARDIOLOGY)], ids=["exclusive", "other", "mixed"]
)
async def test_one_of_eight_doctors_gets_the_patient(database: Database, prestations: tuple[Prestation, ...]) -> None:
    """Also when the call reserves nothing, because the prestation is not exclusive."""
    rivals = [
        an_appointment(doctor, number=100 + n, prestation=prestations[n % len(prestations)])
        for n, doctor in enumerate(RIVAL_DOCTORS)
    ]

    def insert_rivals(connection: Any) -> None:
        for doctor in RIVAL_DOCTORS:
            connection.execute(insert(doctors).values(id=doctor.id, name=doctor.name))
        seed(connection, *rivals)

    await database.write(insert_rivals)

    replies = await asyncio.gather(*(call(database, appointment) for appointment in rivals))

    assert sorted(str(reply.code) for reply in replies) == ["None", *["patient_reserved"] * 7]
    # A refusal is no answer: its key is open.
    assert await database.read(column, "requests", "status") == [200]
    called = [number for number in await database.read(column, "doctors", "called_appointment_id") if number]
    reserved = await database.read(column, "reservations", "appointment_id")
    [granted] = [appointment for appointment in rivals if appointment.id in called]
    assert reserved == ([granted.id] if granted.exclusive else [])
    assert (await database.read(audit)).passed


async def test_one_of_six_patients_is_called_for_one_doctor(database: Database) -> None:
    def insert_queue(connection: Any) -> None:
        for appointment in QUEUE:
            connection.execute(insert(patients).values(id=appointment.patient_id, last_name="Patient"))
        seed(connection, *QUEUE)

    await database.write(insert_queue)

    replies = await asyncio.gather(*(call(database, appointment) for appointment in QUEUE))

    assert sorted(str(reply.code) for reply in replies) == ["None", *["doctor_has_call"] * 5]
    assert len(await database.read(column, "reservations", "kind")) == 1
    assert (await database.read(audit)).passed


async def test_call_is_used_by_a_start_and_gone_after_it(database: Database) -> None:
    await database.write(seed, OF_JOHN, OF_MARIA)
    ledger = LedgerDriver(database)
    await ledger.send(a_check_in(OF_JOHN))
    await call(database, await ledger.appointment(OF_JOHN.id), NOON + minutes(1))
    called = await last_call(database)
    await ledger.load_facts()

    answer = await ledger.send(a_start(await ledger.appointment(OF_JOHN.id)), NOON + minutes(2))

    assert called.open_appointment(NOON + minutes(2)) == OF_JOHN.id
    assert called.open_appointment(NOON + minutes(5)) is None
    assert answer.status == 201
    assert await last_call(database) == DoctorCall(doctor_id=DR_AMRANI.id)
    assert (await call(database, OF_MARIA, NOON + minutes(3))).code is None


async def test_not_exclusive_call_is_gone_after_its_start(database: Database) -> None:
    x_ray = an_appointment(number=3, prestation=X_RAY)
    await database.write(seed, x_ray)
    ledger = LedgerDriver(database)
    await call(database, x_ray, NOON + minutes(1))
    called = await last_call(database)

    await ledger.send(a_start(x_ray), NOON + minutes(2))

    assert (called.appointment_id, called.is_kept) == (x_ray.id, True)
    assert (await last_call(database)).appointment_id is None


NOTHING_PAST = PastTracking(appointment_id=3, earlier_status=AppointmentStatus.confirmed)
CHECKED_IN, TOMORROW = "reassigned in the visit", NOON + timedelta(days=1)
#: Each moves the appointment away or back, in the visit or by a PUT without the visit.
MOVES: dict[str, Callable[[Appointment, bool], Any]] = {
    CHECKED_IN: lambda read, back: a_reassignment(read, DR_AMRANI if back else DR_LINDQVIST, f"move {back}"),
    "another day in the visit": lambda read, back: a_change(
        read, f"move {back}", scheduled_at=NOON if back else TOMORROW
    ),
    "another doctor by PUT": lambda _, back: AppointmentPut(doctor_id=DR_AMRANI.id if back else DR_LINDQVIST.id),
    "another day by PUT": lambda _, back: AppointmentPut(scheduled_at=NOON if back else TOMORROW),
    "another patient by PUT": lambda _, back: AppointmentPut(patient_id=JOHN_DOE.id if back else MARIA_SILVA.id),
    "canceled by PUT": lambda _, back: AppointmentPut(
        status=AppointmentStatus.confirmed if back else AppointmentStatus.canceled
    ),
    "canceled in the visit": lambda read, back: (
        an_undo_of_cancellation(read, NOTHING_PAST) if back else a_cancellation(read)
    ),
}


@pytest.mark.parametrize("name", MOVES)
async def test_call_is_over_when_its_appointment_moves_and_comes_back(database: Database, name: str) -> None:
    """The call reserves nothing. In between another doctor calls the patient."""
    x_ray, other = an_appointment(number=3, prestation=X_RAY), an_appointment(DR_OKAFOR, number=4, prestation=X_RAY)
    await database.write(seed, x_ray, other)
    ledger = LedgerDriver(database)
    await ledger.send(a_check_in(x_ray if name == CHECKED_IN else other))
    await call(database, await ledger.appointment(x_ray.id), NOON)

    async def move(*, back: bool) -> None:
        change = MOVES[name](await ledger.appointment(x_ray.id), back)
        if isinstance(change, AppointmentPut):
            await write_appointment(database, PutContext(x_ray.id, f"put {back}", NOON), change)
        else:
            assert (await ledger.send(change)).status == 200

    called = await last_call(database)
    await move(back=False)
    rival = await call(database, await ledger.appointment(other.id), NOON + minutes(1), "rival")
    await move(back=True)

    assert called.open_appointment(NOON) == x_ray.id
    assert rival.code is None
    assert (await ledger.appointment(x_ray.id)).doctor_id == DR_AMRANI.id
    assert (await last_call(database)).appointment_id is None
    assert (await database.read(audit)).passed


@pytest.mark.parametrize(("is_silent", "order"), [(True, [1, 3, 2, 4]), (False, [1, 3, 4, 2])])
async def test_patient_who_was_called_is_moved_and_the_order_of_the_others_stays(
    database: Database, is_silent: bool, order: list[int]
) -> None:
    """The first one is silent and stands behind the second one, who is called and then moved to a later hour."""
    listed = [
        an_appointment(number=n, patient=Patient(2_000 + n, "Patient", str(n)), prestation=X_RAY) for n in range(1, 5)
    ]

    def insert_list(connection: Connection) -> None:
        for appointment in listed:
            connection.execute(insert(patients).values(id=appointment.patient_id, last_name="Patient"))
        seed(connection, *listed)

    await database.write(insert_list)
    ledgers = [LedgerDriver(database, patient_id=appointment.patient_id) for appointment in listed]
    for ledger, appointment in zip(ledgers, listed, strict=True):
        await ledger.send(a_check_in(appointment, f"check-in {appointment.id}"))
    for n, is_unanswered in ((1, True), (2, is_silent)):
        ledger = ledgers[n - 1]
        reply = await call(database, await ledger.appointment(n), NOON + minutes(5 * n))
        assert reply.code is None
        if is_unanswered:
            last = await last_call(database)
            unanswered = a_no_answer(await ledger.appointment(n), last, f"no answer {n}", behind_id=n + 1)
            assert (await ledger.send(unanswered, NOON + minutes(5 * n + 1))).status == 200
    later = a_change(await ledgers[1].appointment(2), scheduled_at=NOON + timedelta(hours=4))
    assert (await ledgers[1].send(later, NOON + minutes(12))).status == 200

    ordered = await database.read(read_list, [appointments.c.doctor_id == DR_AMRANI.id], CALENDAR.hospital_day(DAY))

    assert [item.appointment_id for item in ordered] == order
    assert (await last_call(database)).appointment_id is None


MOVED_TO, PAST_OF_JOHN = NOON + minutes(1), NOTHING_PAST.model_copy(update={"appointment_id": 1})
#: Each moves the appointment of a call whose time is over.
LATE_MOVES: dict[str, Callable[[Appointment], list[Any]]] = {
    "in the visit": lambda read: [a_change(read, scheduled_at=MOVED_TO)],
    "canceled in the visit": lambda read: [a_cancellation(read), an_undo_of_cancellation(read, PAST_OF_JOHN)],
    "by PUT": lambda _: [AppointmentPut(scheduled_at=MOVED_TO)],
    "canceled by PUT": lambda _: [
        AppointmentPut(status=status) for status in (AppointmentStatus.canceled, AppointmentStatus.confirmed)
    ],
}


async def move_late(database: Database, name: str) -> tuple[LedgerDriver, DoctorCall]:
    """John, who stands behind Maria, did not come a second time either, and then his appointment is moved. Returns the second call."""
    of_john = an_appointment(number=1, prestation=X_RAY)
    of_maria = an_appointment(number=2, patient=MARIA_SILVA, prestation=X_RAY)
    elsewhere = an_appointment(DR_OKAFOR, number=3)
    await database.write(seed, of_john, of_maria, elsewhere)
    ledger, of_other = LedgerDriver(database), LedgerDriver(database, patient_id=MARIA_SILVA.id)
    for driver, appointment in ((ledger, elsewhere), (of_other, of_maria)):
        await driver.send(a_check_in(appointment, f"check-in {appointment.id}"), NOON + minutes(1))
    await call(database, await ledger.appointment(of_john.id), NOON + minutes(2))
    unanswered = a_no_answer(await ledger.appointment(of_john.id), await last_call(database), behind_id=of_maria.id)
    await ledger.send(unanswered, NOON + minutes(3))
    assert (await call(database, await ledger.appointment(of_john.id), NOON + minutes(4), "second call")).code is None
    second = await last_call(database)
    for step, change in enumerate(LATE_MOVES[name](await ledger.appointment(of_john.id))):
        at = NOON + minutes(8 + step)
        if isinstance(change, AppointmentPut):
            await write_appointment(database, PutContext(of_john.id, f"put {step}", at), change)
        else:
            read = await ledger.appointment(of_john.id)
            assert (await ledger.send(change.model_copy(update={"appointment": read}), at)).status == 200
    return ledger, second


@pytest.mark.parametrize("name", LATE_MOVES)
async def test_patient_whose_call_was_over_keeps_the_place_behind_after_a_move(database: Database, name: str) -> None:
    await move_late(database, name)

    ordered = await database.read(read_list, [appointments.c.doctor_id == DR_AMRANI.id], CALENDAR.hospital_day(DAY))

    assert [item.appointment_id for item in ordered] == [2, 1]
    assert (await last_call(database)).open_appointment(NOON + minutes(9)) is None


@pytest.mark.parametrize("name", LATE_MOVES)
async def test_no_answer_to_a_call_before_the_move_changes_nothing(database: Database, name: str) -> None:
    ledger, call_before = await move_late(database, name)
    moved = await ledger.appointment(1)

    late = await ledger.send(a_no_answer(moved, call_before, "late message"), NOON + minutes(10))
    again = await call(database, moved, NOON + minutes(11), "third call")

    assert (late.status, late.body.get("code")) == (409, "not_called")
    assert (await ledger.appointment(1)).no_answers == 1
    assert again.code is None
    assert (await last_call(database)).open_appointment(NOON + minutes(12)) == 1


async def test_patient_whose_call_was_ended_by_a_move_is_the_next_one(database: Database) -> None:
    """Maria is called, and moved by some minutes. John is called while her call would last, and does not answer."""
    of_john = an_appointment(number=1, prestation=X_RAY)
    of_maria = an_appointment(number=2, patient=MARIA_SILVA, prestation=X_RAY)
    await database.write(seed, of_john, of_maria)
    ledgers = [LedgerDriver(database), LedgerDriver(database, patient_id=MARIA_SILVA.id)]
    for ledger, appointment in zip(ledgers, (of_john, of_maria), strict=True):
        await ledger.send(a_check_in(appointment, f"check-in {appointment.id}"))
    await call(database, await ledgers[1].appointment(of_maria.id))
    moved = a_change(await ledgers[1].appointment(of_maria.id), scheduled_at=NOON + minutes(5))
    await ledgers[1].send(moved)

    assert (await call(database, await ledgers[0].appointment(of_john.id), NOON + minutes(1))).code is None
    unanswered = a_no_answer(await ledgers[0].appointment(of_john.id), await last_call(database), behind_id=of_maria.id)
    await ledgers[0].send(unanswered, NOON + minutes(2))
    ordered = await database.read(read_list, [appointments.c.doctor_id == DR_AMRANI.id], CALENDAR.hospital_day(DAY))

    assert [item.appointment_id for item in ordered] == [of_maria.id, of_john.id]
    assert (await call(database, await ledgers[1].appointment(of_maria.id), NOON + minutes(2), "again")).code is None
    assert (await last_call(database)).open_appointment(NOON + minutes(2)) == of_maria.id


async def test_call_stays_over_when_the_moved_patient_is_found(database: Database) -> None:
    x_ray = an_appointment(number=3, prestation=X_RAY)
    await database.write(seed, x_ray)
    ledger = LedgerDriver(database)
    await ledger.send(a_check_in(x_ray))
    await call(database, await ledger.appointment(x_ray.id))
    await ledger.send(a_no_answer(await ledger.appointment(x_ray.id), await last_call(database)))
    await call(database, await ledger.appointment(x_ray.id), NOON + minutes(1), "second call")
    await ledger.send(a_change(await ledger.appointment(x_ray.id), scheduled_at=NOON + minutes(5)), NOON + minutes(1))

    await ledger.send(a_check_in(await ledger.appointment(x_ray.id), "found"), NOON + minutes(2))

    assert (await ledger.appointment(x_ray.id)).no_answers == 0
    assert (await last_call(database)).appointment_id is None


async def test_call_that_reserves_goes_on_at_another_time_of_the_day(database: Database) -> None:
    await database.write(seed, OF_JOHN)
    ledger = LedgerDriver(database)
    await call(database, OF_JOHN)
    await ledger.load_facts()

    await ledger.send(a_change(await ledger.appointment(OF_JOHN.id), scheduled_at=NOON + minutes(30)))

    assert (await last_call(database)).open_appointment(NOON) == OF_JOHN.id


async def test_no_answer_to_an_earlier_call_changes_nothing(database: Database) -> None:
    await database.write(seed, OF_JOHN)
    ledger = LedgerDriver(database)
    await call(database, OF_JOHN)
    first = await last_call(database)
    await ledger.send(a_no_answer(OF_JOHN, first))
    await call(database, await ledger.appointment(OF_JOHN.id), NOON + minutes(1), "second call")

    late = await ledger.send(a_no_answer(OF_JOHN, first, "late message"), NOON + minutes(2))

    assert (late.status, late.body["code"]) == (409, "not_called")
    assert (await last_call(database)).appointment_id == OF_JOHN.id
    assert (await ledger.appointment(OF_JOHN.id)).no_answers == 1


async def test_sweep_finds_calls_that_nothing_has_ended(database: Database) -> None:
    await database.write(seed, OF_JOHN)
    await call(database, OF_JOHN)

    before = await database.read(find_late_reservations, NOON + minutes(2.9), None, 10)
    after = await database.read(find_late_reservations, NOON + minutes(3.1), None, 10)

    assert [row.patient_id for row in before] == []
    assert [row.patient_id for row in after] == [OF_JOHN.patient_id]


def read_wall_calls(connection: Connection) -> list[tuple[str, str]]:
    """The ticket and the end of each call in the channel of the wall."""
    on_wall = select(events.c.data).where(events.c.channel == "wall").order_by(events.c.seq)
    return [(data["ticket"], data["until"]) for data in map(json.loads, connection.scalars(on_wall))]


async def test_call_by_a_late_clock_is_still_open(database: Database) -> None:
    """John was released by a worker whose clock is ahead, so his consultation seems to end after the call."""
    await database.write(seed, OF_JOHN, OF_MARIA)
    ledger = LedgerDriver(database)
    await ledger.send(a_check_in(OF_JOHN))
    await ledger.send(a_start(await ledger.appointment(OF_JOHN.id)), NOON + minutes(1))
    [consultation] = ledger.state.facts.in_progress
    await ledger.send(a_release(consultation), NOON + minutes(2))
    called = await call(database, await ledger.appointment(OF_JOHN.id), NOON + minutes(1.9))

    second = await call(database, OF_MARIA, NOON + minutes(2.1))

    assert (called.code, second.code) == (None, "doctor_has_call")
    assert (await database.read(audit)).passed


async def test_late_end_of_a_call_gives_its_doctor_more_time(database: Database) -> None:
    await database.write(seed, OF_JOHN, OF_MARIA)
    ledger, late = LedgerDriver(database), NOON + minutes(30)
    await ledger.send(a_check_in(OF_JOHN))
    await call(database, await ledger.appointment(OF_JOHN.id))

    [more_time] = await ledger.record_due(late)
    second = await call(database, OF_MARIA, late)
    [ended] = await ledger.record_due(late + minutes(3))

    assert [change.change for change in more_time.changes] == ["postpone_reservation"]
    assert second.code == "doctor_has_call"
    assert await database.read(read_wall_calls) == [
        ("A01", "2026-03-02T11:03:00.000Z"),
        ("A01", "2026-03-02T11:33:00.000Z"),
    ]
    assert [change.change for change in ended.changes] == ["end_reservation"]
    assert (await database.read(audit)).passed


async def test_late_end_of_a_call_is_its_end_when_the_doctor_has_called_another_patient(database: Database) -> None:
    await database.write(seed, OF_JOHN, OF_MARIA)
    ledger, late = LedgerDriver(database), NOON + minutes(30)
    await call(database, OF_JOHN)
    await call(database, OF_MARIA, late)

    decisions = await ledger.record_due(late)

    assert [change.change for change in decisions[-1].changes] == ["end_reservation"]
    assert await database.read(column, "reservations", "appointment_id") == [OF_MARIA.id]
    assert (await database.read(audit)).passed


async def test_audit_finds_two_calls_of_a_doctor(database: Database) -> None:
    await database.write(seed, OF_JOHN, OF_MARIA)
    await call(database, OF_JOHN)
    of_maria = update(appointments).where(appointments.c.id == OF_MARIA.id).values(called_at=NOON + minutes(1))
    other = update(doctors).where(doctors.c.id == DR_AMRANI.id).values(called_appointment_id=OF_MARIA.id)
    passed = (await database.read(audit)).passed

    await database.write(lambda connection: (connection.execute(of_maria), connection.execute(other)))
    report = await database.read(audit)

    assert passed
    assert [violation.kind for violation in report.violations] == ["two_calls_of_doctor"]


async def test_audit_finds_two_calls_of_a_patient(database: Database) -> None:
    first, second = (an_appointment(doctor, prestation=X_RAY) for doctor in (DR_AMRANI, DR_OKAFOR))
    await database.write(seed, first, second)
    ledger = LedgerDriver(database)
    for appointment in (first, second):
        await ledger.send(a_check_in(appointment, f"check-in {appointment.id}"))
    await call(database, await ledger.appointment(first.id))
    await call(database, await ledger.appointment(second.id), NOON + minutes(3))
    passed = (await database.read(audit)).passed
    earlier = update(appointments).where(appointments.c.id == second.id).values(called_at=NOON + minutes(2))

    await database.write(lambda connection: connection.execute(earlier))
    report = await database.read(audit)

    assert passed
    assert [violation.kind for violation in report.violations] == ["two_calls_of_patient"]
