"""Decisions that become due: reminders, abandoned consultations, the day's end, and the next deadline."""

from datetime import datetime, timedelta

import pytest

from patient_visit_engine.visit.changes import CloseTracking, EndConsultation, OfferPatient, RemindHolder
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import ConsultationAnswer
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import Limits, PendingTracking, VisitState
from patient_visit_engine.visit.timers import day_is_over, decide_due, next_deadline
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    MIDNIGHT,
    NOON,
    X_RAY,
    YESTERDAY,
    a_consultation,
    a_place,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import an_extension

RUNNING = a_consultation(an_appointment(DR_AMRANI))


def reminded(visit: VisitState, at: datetime) -> VisitState:
    """The visit after the reminder that is due at this moment."""
    decision = decide_due(visit, at)
    assert decision is not None
    (reminder,) = decision.changes
    assert isinstance(reminder, RemindHolder)
    return visit.model_copy(update={"facts": visit.facts.model_copy(update={"in_progress": (reminder.consultation,)})})


def test_nothing_is_due_before_its_time() -> None:
    visit = a_visit(consultations=[RUNNING])

    assert decide_due(visit, NOON + minutes(20) - timedelta(milliseconds=1)) is None


def test_reminds_when_due_and_every_15_minutes() -> None:
    visit = a_visit(consultations=[RUNNING])

    first = reminded(visit, NOON + minutes(20))
    second = reminded(first, NOON + minutes(35))

    assert next_deadline(first) == NOON + minutes(35)
    assert decide_due(first, NOON + minutes(35) - timedelta(milliseconds=1)) is None
    assert next_deadline(second) == NOON + minutes(50)
    assert second.facts.in_progress[0].reminders == 2


def test_missed_reminders_come_once_on_schedule() -> None:
    visit = a_visit(consultations=[RUNNING])

    state = reminded(visit, NOON + minutes(20 + 15 * 3 + 4))

    assert state.facts.in_progress[0].reminders == 1
    assert next_deadline(state) == NOON + minutes(20 + 15 * 4)
    assert decide_due(state, NOON + minutes(20 + 15 * 3 + 4)) is None


def test_extension_moves_next_reminder() -> None:
    visit = reminded(a_visit(consultations=[RUNNING]), NOON + minutes(20))

    answer = decide(an_extension(visit.facts.in_progress[0], 10), visit, NOON + minutes(25)).answer

    assert isinstance(answer, ConsultationAnswer)
    extended = a_visit(consultations=[answer.consultation])
    assert decide_due(extended, NOON + minutes(35) - timedelta(milliseconds=1)) is None
    assert reminded(extended, NOON + minutes(35)).facts.in_progress[0].reminders == 2


def test_timeout_ends_consultation_and_calls_line() -> None:
    visit = a_visit(consultations=[RUNNING.model_copy(update={"remind_at": MIDNIGHT})], waiting=[DR_OKAFOR])

    assert decide_due(visit, NOON + timedelta(hours=4) - timedelta(milliseconds=1)) is None
    decision = decide_due(visit, NOON + timedelta(hours=4))

    assert decision is not None
    end, offer = decision.changes
    assert isinstance(end, EndConsultation)
    assert end.outcome is Outcome.timed_out
    assert isinstance(offer, OfferPatient)


def test_timeout_comes_without_a_reminder() -> None:
    decision = decide_due(a_visit(consultations=[RUNNING]), NOON + timedelta(hours=5))

    assert decision is not None
    assert [type(change) for change in decision.changes] == [EndConsultation]


def test_ended_consultation_has_no_reminder() -> None:
    following = a_consultation(an_appointment(DR_SMITH), started_at=NOON + minutes(19))

    visit = a_visit(consultations=[following])

    assert decide_due(visit, RUNNING.remind_at) is None
    assert next_deadline(visit) == NOON + minutes(39)


def test_ignores_consultation_of_another_day() -> None:
    yesterdays_consultation = a_consultation(
        an_appointment(DR_SMITH), day=YESTERDAY, started_at=NOON - timedelta(hours=12)
    )
    visit = a_visit(consultations=[yesterdays_consultation])

    assert decide_due(visit, NOON) is None
    assert next_deadline(visit) == MIDNIGHT


def test_midnight_closes_only_check_ins() -> None:
    running = a_consultation(an_appointment(DR_SMITH), started_at=MIDNIGHT - minutes(5))
    checked_in = an_appointment(DR_OKAFOR, prestation=X_RAY)

    decision = decide_due(a_visit(consultations=[running], checked_in=[checked_in]), MIDNIGHT)

    assert decision is not None
    assert decision.changes == (
        CloseTracking(appointment_id=checked_in.id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed),
    )


def test_midnight_keeps_check_ins_of_tomorrow() -> None:
    visit = a_visit()
    pending = (PendingTracking(appointment_id=1, day=DAY + timedelta(days=1)),)

    assert (
        decide_due(
            visit.model_copy(update={"facts": visit.facts.model_copy(update={"pending": pending})}),
            MIDNIGHT,
        )
        is None
    )


@pytest.mark.parametrize(
    ("at", "over"), [(MIDNIGHT - timedelta(milliseconds=1), False), (MIDNIGHT, True)], ids=["before", "midnight"]
)
def test_day_is_over_at_midnight(at: datetime, over: bool) -> None:
    assert day_is_over(a_visit(), at) is over


def test_next_deadline_is_the_earliest() -> None:
    offer = a_place(DR_OKAFOR, offered_until=NOON + minutes(1))

    assert next_deadline(a_visit()) == MIDNIGHT
    assert next_deadline(a_visit(consultations=[RUNNING])) == NOON + minutes(20)
    assert next_deadline(a_visit(consultations=[RUNNING], waiting=[offer])) == NOON + minutes(1)


def test_offer_without_reservation_never_ends() -> None:
    offer = a_place(DR_OKAFOR, offered_until=NOON)

    assert next_deadline(a_visit(waiting=[offer], limits=Limits(offer=timedelta(0)))) == MIDNIGHT


def test_closing_visit_waits_for_consultations() -> None:
    closing = {"phase": "closing"}

    assert next_deadline(a_visit().model_copy(update=closing)) is None
    assert next_deadline(a_visit(consultations=[RUNNING]).model_copy(update=closing)) == NOON + minutes(20)
