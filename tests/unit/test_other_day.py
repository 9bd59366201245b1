"""A start of an appointment of another day is refused, unless the patient is here for it."""

from datetime import datetime, timedelta

import pytest

from patient_visit_engine.visit.decisions import ConsultationAnswer, Refused
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.refusals import AppointmentNotToday
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.wire.answers import render
from patient_visit_engine.wire.refusals import AnswerContext
from tests.support.builders import (
    CALENDAR,
    DAY,
    DR_AMRANI,
    DR_SMITH,
    NOON,
    X_RAY,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    an_event_context,
    minutes,
)
from tests.support.commands import a_start

DAY_START, DAY_END = CALENDAR.starts_at(DAY), CALENDAR.ends_at(DAY)
MOMENT = timedelta(milliseconds=1)
TOMORROW = NOON + timedelta(days=1)
OF_TOMORROW = an_appointment(DR_AMRANI, scheduled_at=TOMORROW)


@pytest.mark.parametrize("scheduled_at", [DAY_START - MOMENT, DAY_END, TOMORROW])
def test_start_of_another_day_is_refused(scheduled_at: datetime) -> None:
    decision = decide(a_start(an_appointment(scheduled_at=scheduled_at)), a_visit(), NOON)

    assert decision.answer == Refused(refusal=AppointmentNotToday(scheduled_at=scheduled_at))


@pytest.mark.parametrize("scheduled_at", [DAY_START, DAY_END - MOMENT])
def test_start_within_the_hospital_day_is_granted(scheduled_at: datetime) -> None:
    decision = decide(a_start(an_appointment(scheduled_at=scheduled_at)), a_visit(), NOON)

    assert isinstance(decision.answer, ConsultationAnswer)


@pytest.mark.parametrize(
    "visit",
    [
        a_visit(checked_in=[OF_TOMORROW]),
        a_visit(waiting=[DR_AMRANI]),
        a_visit(reservation=a_reservation(DR_AMRANI, NOON + minutes(1))),
        a_visit(consultations=[a_consultation(OF_TOMORROW)]),
    ],
    ids=["checked in", "in line", "reserved", "in consultation"],
)
def test_patient_who_is_here_for_it_can_be_started(visit: VisitState) -> None:
    decision = decide(a_start(OF_TOMORROW), visit, NOON)

    assert isinstance(decision.answer, ConsultationAnswer)


def test_x_ray_of_another_day_is_refused() -> None:
    decision = decide(a_start(an_appointment(prestation=X_RAY, scheduled_at=TOMORROW)), a_visit(), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "appointment_not_today"


def test_refused_start_of_another_day_joins_no_line() -> None:
    busy = a_visit(consultations=[a_consultation(an_appointment(DR_SMITH))])

    decision = decide(a_start(OF_TOMORROW, wait=True), busy, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "appointment_not_today"
    assert [change.change for change in decision.changes] == ["note_refusal"]


def test_message_of_an_older_program_is_granted() -> None:
    unknown = OF_TOMORROW.model_copy(update={"scheduled_at": None})

    assert isinstance(decide(a_start(unknown), a_visit(), NOON).answer, ConsultationAnswer)


def test_refusal_says_when_and_what_to_do() -> None:
    decision = decide(a_start(OF_TOMORROW), a_visit(), NOON)

    rendered = render(decision.answer, AnswerContext(an_event_context(), "request"))

    assert rendered.status == 409
    assert rendered.body is not None
    assert (rendered.body["code"], rendered.body["actions"]) == ("appointment_not_today", ["check_in"])
    assert rendered.body["scheduled_at"] in rendered.body["detail"]
