"""Calls of a patient whose check-in of today was a mistake, after a consultation of yesterday."""

from datetime import timedelta
from typing import Any

import pytest

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens.in_house import read_arrivals
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.past_tracking import PastTracking
from tests.support.builders import (
    CALENDAR,
    DAY,
    DR_LINDQVIST,
    DR_OKAFOR,
    JOHN_DOE,
    NOON,
    YESTERDAY,
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
    await database.write(seed, OF_TODAY, DONE_YESTERDAY, *others)
    visit = LedgerDriver(database, day=YESTERDAY)
    await visit.send(a_start(DONE_YESTERDAY), NOON - timedelta(days=1))
    await visit.send(a_completion(visit.running), NOON - timedelta(hours=23))
    visit = LedgerDriver(database)
    await visit.send(a_check_in(OF_TODAY))
    past = PastTracking(appointment_id=OF_TODAY.id, earlier_status=AppointmentStatus.confirmed)
    undone = await visit.send(an_undo_of_check_in(await visit.appointment(OF_TODAY.id), past))
    arrivals = await database.read(read_arrivals, CALENDAR.hospital_day(DAY), {JOHN_DOE.id})

    reply = await visit.decide_again(a_call(await visit.appointment(OF_TODAY.id)))

    assert undone.status == 200
    assert (reply.code, JOHN_DOE.id in arrivals) == (code, code is None)
