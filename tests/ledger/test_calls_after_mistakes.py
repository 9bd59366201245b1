"""Calls of a patient whose check-in of today was a mistake, after a consultation of yesterday."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens.in_house import read_arrivals
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.past_tracking import PastTracking
from tests.support.builders import (
    CALENDAR,
    DAY,
    DR_LINDQVIST,
    DR_OKAFOR,
    JOHN_DOE,
    NOON,
    an_appointment,
    seed,
)
from tests.support.commands import a_call, a_check_in, a_completion, a_start, an_undo_of_check_in
from tests.support.ledger import LedgerDriver

OF_TODAY = an_appointment(number=1)
DONE_YESTERDAY = an_appointment(DR_OKAFOR, number=2, scheduled_at=NOON - timedelta(days=1))
MISSED_YESTERDAY = an_appointment(DR_LINDQVIST, number=3, scheduled_at=NOON - timedelta(days=1))
CANCELED_YESTERDAY = MISSED_YESTERDAY.model_copy(update={"status": AppointmentStatus.canceled})
MISSED_EARLIER = MISSED_YESTERDAY.model_copy(update={"scheduled_at": NOON - timedelta(days=2)})


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ([], "appointment_mismatch"),
        ([CANCELED_YESTERDAY], "appointment_mismatch"),
        ([MISSED_EARLIER], "appointment_mismatch"),
        ([MISSED_YESTERDAY], None),
    ],
    ids=["nothing else", "canceled yesterday", "missed earlier", "missed yesterday"],
)
async def test_call_agrees_with_the_screens_after_a_mistake(
    database: Database, others: list[Any], code: str | None
) -> None:
    """The list was read before the check-in was taken back."""
    code_of_call, is_here = await call_after_mistake(database, DAY, OF_TODAY, DONE_YESTERDAY, *others)

    assert (code_of_call, is_here) == (code, code is None)


@pytest.mark.parametrize(
    ("day", "missed_at", "code"),
    [
        (date(2026, 10, 25), time(4, 30), None),
        (date(2026, 3, 29), time(3, 30), "appointment_mismatch"),
    ],
    ids=["yesterday had 25 hours", "yesterday had 23 hours"],
)
async def test_call_agrees_with_the_screens_after_a_change_of_the_clocks(
    database: Database, day: date, missed_at: time, code: str | None
) -> None:
    """The missed appointment was in the first hour of yesterday, or in the last hour of the day before."""
    yesterday = day - timedelta(days=1)
    of_today = OF_TODAY.model_copy(update={"scheduled_at": CALENDAR.moment(day, time(12))})
    done = DONE_YESTERDAY.model_copy(update={"scheduled_at": CALENDAR.moment(yesterday, time(12))})
    missed_moment = datetime.combine(yesterday, missed_at, CALENDAR.zone)
    missed = MISSED_YESTERDAY.model_copy(update={"scheduled_at": missed_moment})

    code_of_call, is_here = await call_after_mistake(database, day, of_today, done, missed)

    assert (code_of_call, is_here) == (code, code is None)


async def call_after_mistake(
    database: Database, day: date, of_today: Appointment, done_yesterday: Appointment, *others: Appointment
) -> tuple[str | None, bool]:
    """The code of the call's refusal, and whether the screens show the patient in the house."""
    noon = CALENDAR.moment(day, time(12))
    await database.write(seed, of_today, done_yesterday, *others)
    visit = LedgerDriver(database, day=day - timedelta(days=1))
    await visit.send(a_start(done_yesterday), noon - timedelta(hours=24))
    await visit.send(a_completion(visit.running), noon - timedelta(hours=23))
    visit = LedgerDriver(database, day=day)
    await visit.send(a_check_in(of_today), noon)
    past = PastTracking(appointment_id=of_today.id, earlier_status=AppointmentStatus.confirmed)
    undone = await visit.send(an_undo_of_check_in(await visit.appointment(of_today.id), past), noon)
    assert undone.status == 200
    arrivals = await database.read(read_arrivals, CALENDAR.hospital_day(day), {JOHN_DOE.id})
    reply = await visit.decide_again(a_call(await visit.appointment(of_today.id)), noon)
    return reply.code, JOHN_DOE.id in arrivals
