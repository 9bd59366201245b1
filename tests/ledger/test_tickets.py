"""Tickets: one for each person and hospital day, given by the statement that advances the log. On both databases."""

import asyncio
import json
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import events, log_head, patient_trackings
from patient_visit_engine.storage.tickets import LAST_WITH_LETTERS, PLACEHOLDER, read_tickets
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import CheckOut
from tests.support.builders import (
    CALENDAR,
    DAY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    X_RAY,
    YESTERDAY,
    a_request,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_call, a_check_in, a_past, a_release, a_start, an_undo_of_check_in
from tests.support.ledger import LedgerDriver
from tests.support.merging import RecordDriver, a_patient, insert_records

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
OF_MARIA = an_appointment(DR_AMRANI, patient=MARIA_SILVA)
TOMORROW = DAY + timedelta(days=1)
WRITERS = 8
PATIENTS_OF_WRITER = 3


def read_rows(connection: Connection) -> list[tuple[Any, ...]]:
    """Person, ticket and ticket day of each tracking."""
    row = patient_trackings.c
    return [
        tuple(each) for each in connection.execute(select(row.person_id, row.ticket, row.ticket_day).order_by(row.id))
    ]


def read_events(connection: Connection, name: str) -> list[Any]:
    """The data of all events with this name, in order."""
    rows = connection.scalars(select(events.c.data).where(events.c.name == name).order_by(events.c.seq))
    return [json.loads(data) for data in rows]


def a_check_out(appointment: Appointment, key: str) -> CheckOut:
    return CheckOut(request=a_request(key), appointment=appointment)


def set_tickets(connection: Connection, day: date, number: int) -> None:
    """So many tickets of the day were taken."""
    connection.execute(update(log_head).values(ticket_day=day, ticket_number=number))


async def test_first_check_in_of_the_day_gives_a_ticket(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH, OF_MARIA)
    of_maria = LedgerDriver(database, patient_id=MARIA_SILVA.id)

    first = await ledger.send(a_check_in(OF_AMRANI, "first"))
    other = await of_maria.send(a_check_in(OF_MARIA, "other"))
    second = await ledger.send(a_check_in(OF_SMITH, "second"))
    again = await ledger.send(a_check_in(await ledger.appointment(OF_SMITH.id), "again"))

    answers = [first, other, second, again]
    assert [answer.status for answer in answers] == [201, 201, 201, 200]
    assert [answer.body["ticket"] for answer in answers] == ["A01", "A02", "A01", "A01"]
    assert await database.read(read_rows) == [
        (JOHN_DOE.id, "A01", DAY),
        (MARIA_SILVA.id, "A02", DAY),
        (JOHN_DOE.id, "A01", DAY),
    ]
    assert (await database.read(audit)).violations == []


async def test_later_check_ins_of_the_day_keep_the_ticket(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_check_in(OF_AMRANI, "first"))
    await ledger.send(an_undo_of_check_in(await ledger.appointment(OF_AMRANI.id), a_past(OF_AMRANI)))

    by_mistake = await ledger.send(a_check_in(await ledger.appointment(OF_AMRANI.id), "second"))
    await ledger.send(a_check_out(await ledger.appointment(OF_AMRANI.id), "left"))
    third = await ledger.send(a_check_in(OF_SMITH, "third"))

    assert [by_mistake.body["ticket"], third.body["ticket"]] == ["A01", "A01"]
    assert await database.read(lambda connection: connection.scalar(select(log_head.c.ticket_number))) == 1


async def test_released_patient_waits_with_the_ticket(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await ledger.send(a_check_in(OF_AMRANI))
    await ledger.send(a_start(await ledger.appointment(OF_AMRANI.id)))

    await ledger.send(a_release(ledger.running))

    assert await database.read(read_rows) == [(JOHN_DOE.id, "A01", DAY)] * 2


async def test_start_without_check_in_takes_no_ticket(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_AMRANI))

    await ledger.send(a_release(ledger.running))
    arrived = await ledger.send(a_check_in(OF_SMITH))

    assert await database.read(read_rows) == [(JOHN_DOE.id, None, None), (JOHN_DOE.id, "A01", DAY)]
    assert arrived.body["ticket"] == "A01"


@pytest.mark.parametrize(
    ("taken", "ticket"),
    [
        (98, "A99"),
        (99, "B01"),
        (24 * 99 - 1, "Z99"),
        (24 * 99, "AA01"),
        (25 * 99, "AB01"),
        (48 * 99, "BA01"),
        (LAST_WITH_LETTERS - 1, "ZZ99"),
        (LAST_WITH_LETTERS, str(LAST_WITH_LETTERS + 1)),
    ],
)
async def test_tickets_are_short(database: Database, ledger: LedgerDriver, taken: int, ticket: str) -> None:
    await database.write(seed, OF_AMRANI)
    await database.write(set_tickets, DAY, taken)

    assert (await ledger.send(a_check_in(OF_AMRANI))).body["ticket"] == ticket


async def test_each_day_counts_from_the_beginning(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH, OF_MARIA)
    await database.write(set_tickets, YESTERDAY, 40)
    await ledger.send(a_check_in(OF_AMRANI, "first"))
    tomorrow = LedgerDriver(database, patient_id=MARIA_SILVA.id, day=TOMORROW)

    answer = await tomorrow.send(a_check_in(OF_MARIA, "tomorrow"), NOON + timedelta(days=1))

    assert answer.body["ticket"] == "A01"
    assert await database.read(read_rows) == [(JOHN_DOE.id, "A01", DAY), (MARIA_SILVA.id, "A01", TOMORROW)]
    assert (await database.read(audit)).violations == []


async def test_late_decision_of_the_day_before_takes_a_ticket_of_the_new_day(
    database: Database, ledger: LedgerDriver
) -> None:
    await database.write(seed, OF_AMRANI, OF_MARIA)
    today = LedgerDriver(database, patient_id=MARIA_SILVA.id)
    await today.send(a_check_in(OF_MARIA, "today"))
    late = LedgerDriver(database, day=YESTERDAY)

    answer = await late.send(a_check_in(OF_AMRANI, "late"), NOON - timedelta(days=1))

    assert answer.body["ticket"] == "A02"
    assert await database.read(read_tickets, DAY) == {MARIA_SILVA.id: "A01", JOHN_DOE.id: "A02"}


async def test_patient_who_is_still_here_gets_a_ticket_of_the_new_day(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH, OF_MARIA)
    await LedgerDriver(database, day=YESTERDAY).send(a_check_in(OF_AMRANI, "yesterday"), NOON - timedelta(hours=9))
    of_maria = LedgerDriver(database, patient_id=MARIA_SILVA.id)
    await of_maria.send(a_check_in(OF_MARIA, "Maria"))

    await ledger.record_due(NOON)
    known = await ledger.send(a_check_in(await ledger.appointment(OF_AMRANI.id), "again"))
    later = await ledger.send(a_check_in(OF_SMITH, "today"))

    # Maria has the ticket that was John's yesterday.
    assert [known.body["ticket"], later.body["ticket"]] == ["A02", "A02"]
    assert await database.read(read_rows) == [
        (JOHN_DOE.id, "A02", DAY),
        (MARIA_SILVA.id, "A01", DAY),
        (JOHN_DOE.id, "A02", DAY),
    ]
    [given] = await database.read(read_events, "patient.updated")
    assert (given["patient_id"], given["ticket"], given["message"]) == (
        JOHN_DOE.id,
        "A02",
        "Patient John Doe has ticket A02",
    )
    assert (await database.read(audit)).violations == []


async def test_call_is_the_first_message_of_the_day(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await LedgerDriver(database, day=YESTERDAY).send(a_check_in(OF_AMRANI, "yesterday"), NOON - timedelta(hours=9))
    await database.write(set_tickets, DAY, 11)

    answer = await ledger.send(a_call(await ledger.appointment(OF_AMRANI.id)))

    assert (answer.status, answer.body["ticket"]) == (200, "A12")
    events = await database.read(read_events, "patient.called")
    assert [(event["ticket"], event["message"]) for event in events] == [
        ("A12", "Patient John Doe is called"),
        ("A12", "Ticket A12"),
    ]
    assert await database.read(read_rows) == [(JOHN_DOE.id, "A12", DAY)]


async def test_merge_is_the_first_message_of_the_day(database: Database) -> None:
    """The ledger reads the rows again after a merge, before the ticket has a text."""
    ron, sue = a_patient(501), a_patient(502)
    await database.write(insert_records, (ron, sue))
    yesterday = RecordDriver(database, sue, day=YESTERDAY)
    await yesterday.send(a_check_in(yesterday.appointment_with(DR_AMRANI), "yesterday"), NOON - timedelta(hours=9))

    await RecordDriver(database, sue).merge(ron)

    assert await database.read(read_rows) == [(sue.id, "A01", DAY)]


async def test_consultation_over_night_gets_a_ticket_and_an_ended_wait_none(
    database: Database, ledger: LedgerDriver
) -> None:
    morning = CALENDAR.starts_at(DAY) + minutes(1)
    at_night, of_maria = morning - minutes(5), morning - timedelta(hours=20)
    of_john = an_appointment(number=1, scheduled_at=at_night)
    long_ago = an_appointment(number=2, patient=MARIA_SILVA, scheduled_at=of_maria)
    await database.write(seed, of_john, long_ago)
    await LedgerDriver(database, day=YESTERDAY).send(a_start(of_john), at_night)
    of_yesterday = LedgerDriver(database, patient_id=MARIA_SILVA.id, day=YESTERDAY)
    await of_yesterday.send(a_check_in(long_ago, "Maria"), of_maria)

    await LedgerDriver(database, patient_id=MARIA_SILVA.id).record_due(morning)
    await ledger.record_due(morning)

    assert await database.read(read_rows) == [(JOHN_DOE.id, "A01", DAY), (MARIA_SILVA.id, "A01", YESTERDAY)]


async def test_eight_writers_take_different_tickets(database: Database) -> None:
    people = [a_patient(1_000 + number) for number in range(WRITERS * PATIENTS_OF_WRITER)]
    await database.write(insert_records, people)
    writers = [Database(database.url.render_as_string(hide_password=False)) for _ in range(WRITERS)]

    async def check_in_all(number: int) -> list[str]:
        tickets = []
        for patient in people[number::WRITERS]:
            visit = RecordDriver(writers[number], patient)
            # Two visits of the person, as at the change of the day, at the same moment.
            other = RecordDriver(writers[number - 1], patient)
            answers = await asyncio.gather(
                visit.send(a_check_in(visit.appointment_with(DR_AMRANI), f"{patient.id}")),
                other.send(a_check_in(visit.appointment_with(DR_OKAFOR, X_RAY), f"{patient.id} too")),
            )
            tickets.append({answer.body["ticket"] for answer in answers})
        assert all(len(ticket) == 1 for ticket in tickets)
        return [ticket.pop() for ticket in tickets]

    tickets = [ticket for each in await asyncio.gather(*map(check_in_all, range(WRITERS))) for ticket in each]
    for writer in writers:
        await writer.close()

    assert sorted(tickets) == [f"A{number:02}" for number in range(1, len(people) + 1)]
    assert len(await database.read(read_tickets, DAY)) == len(people)
    placeholders = text("SELECT count(*) FROM requests WHERE body LIKE '%u0080%' OR body LIKE :placeholder")
    values = {"placeholder": f"%{PLACEHOLDER}%"}
    assert await database.read(lambda connection: connection.scalar(placeholders, values)) == 0
    assert (await database.read(audit)).violations == []


async def test_merged_patient_shows_the_earlier_ticket(database: Database) -> None:
    ron, sue = a_patient(501), a_patient(502)
    await database.write(insert_records, (ron, sue))
    of_ron, of_sue = RecordDriver(database, ron), RecordDriver(database, sue)
    await of_ron.send(a_check_in(of_ron.appointment_with(DR_AMRANI), "Ron"), NOON)
    await of_sue.send(a_check_in(of_sue.appointment_with(DR_OKAFOR), "Sue"), NOON + minutes(1))

    await of_sue.merge(ron)
    later = await of_sue.send(a_check_in(of_sue.appointment_with(DR_SMITH), "later"), NOON + minutes(2))

    assert later.body["ticket"] == "A01"
    assert await database.read(read_rows) == [(sue.id, "A01", DAY), (sue.id, "A02", DAY), (sue.id, "A01", DAY)]
    assert await database.read(read_tickets, DAY) == {sue.id: "A01"}


async def test_separated_patients_share_no_ticket(database: Database) -> None:
    ron, sue = a_patient(501), a_patient(502)
    await database.write(insert_records, (ron, sue))
    of_ron, of_sue = RecordDriver(database, ron), RecordDriver(database, sue)
    await of_sue.send(a_check_in(of_sue.appointment_with(DR_AMRANI), "Sue"))
    await of_sue.merge(ron)
    appointment = of_ron.appointment_with(DR_OKAFOR)
    assert (await of_ron.follow(a_check_in(appointment, "Ron"))).body["ticket"] == "A01"
    for doctor, record in ((DR_AMRANI, of_sue), (DR_OKAFOR, of_ron)):
        appointment = await of_sue.appointment(record.appointment_with(doctor).id)
        assert (await of_sue.send(a_check_out(appointment, f"out {doctor.id}"))).status == 200

    assert (await of_sue.separate(ron)).status == 200
    again = await of_ron.send(a_check_in(of_ron.appointment_with(DR_SMITH), "again"))

    assert again.body["ticket"] == "A02"
    assert await database.read(read_tickets, DAY) == {sue.id: "A01", ron.id: "A02"}
    assert (await database.read(audit)).violations == []


async def test_audit_reports_a_ticket_of_two_patients(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_MARIA)
    await ledger.send(a_check_in(OF_AMRANI, "John"))
    await LedgerDriver(database, patient_id=MARIA_SILVA.id).send(a_check_in(OF_MARIA, "Maria"))
    await database.write(lambda connection: connection.execute(update(patient_trackings).values(ticket="A01")))

    report = await database.read(audit)

    assert [(violation.kind, violation.about) for violation in report.violations] == [
        ("shared_ticket", f"ticket A01 of {DAY} has 2 patients")
    ]
