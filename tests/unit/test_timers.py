"""Decisions that become due: reminders, abandoned consultations, and the next deadline."""

from datetime import datetime, timedelta

import pytest

from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.consultation_changes import EndConsultation, RemindHolder
from patient_visit_engine.visit.decisions import ConsultationAnswer
from patient_visit_engine.visit.facts import Facts, PendingTracking
from patient_visit_engine.visit.line_changes import OfferPatient
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.visit.timers import day_is_over, decide_due, next_deadline, next_timer
from tests.support.builders import (
    DAY,
    DAY_END,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    Prestation,
    a_consultation,
    a_place,
    a_reservation,
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
    reminded_at_end = RUNNING.model_copy(update={"remind_at": DAY_END})
    visit = a_visit(consultations=[reminded_at_end], waiting=[DR_OKAFOR])
    limit = NOON + minutes(20) + timedelta(hours=4)

    assert RUNNING.abandon_at == limit
    assert decide_due(visit, limit - timedelta(milliseconds=1)) is None
    decision = decide_due(visit, limit)

    assert decision is not None
    end, offer = decision.changes
    assert isinstance(end, EndConsultation)
    assert end.outcome is Outcome.timed_out
    assert isinstance(offer, OfferPatient)


def test_long_operation_is_not_abandoned_before_its_end() -> None:
    operation = a_consultation(
        an_appointment(DR_SMITH, prestation=Prestation(14, "Operation", exclusive=True, expected_minutes=300))
    )

    state = reminded(a_visit(consultations=[operation]), NOON + minutes(300))

    assert state.facts.in_progress[0].abandon_at == NOON + minutes(300) + timedelta(hours=4)


def test_timeout_waits_for_a_reminder() -> None:
    late = reminded(a_visit(consultations=[RUNNING]), RUNNING.abandon_at - minutes(1))
    (consultation,) = late.facts.in_progress

    assert consultation.abandon_at == RUNNING.abandon_at + minutes(14)
    # Reminders that follow do not move it again.
    again = reminded(late, consultation.remind_at)
    assert again.facts.in_progress[0].abandon_at == consultation.abandon_at


def test_late_timeout_reminds_first() -> None:
    consultation = RUNNING.model_copy(update={"remind_at": DAY_END, "reminders": 3})
    noticed_at = RUNNING.abandon_at + minutes(1.1)

    state = reminded(a_visit(consultations=[consultation]), noticed_at)

    assert state.facts.in_progress[0].abandon_at == noticed_at + minutes(15)
    assert state.facts.in_progress[0].reminders == 4


def test_limit_without_reminders_in_time_still_reminds() -> None:
    limits = Limits(abandon_after=timedelta(seconds=1), remind_every=minutes(1))
    short = a_consultation(an_appointment(DR_SMITH), limits=limits)

    state = reminded(a_visit(consultations=[short], limits=limits), short.abandon_at)

    assert state.facts.in_progress[0].abandon_at == short.abandon_at + minutes(1)


def test_ended_consultation_has_no_reminder() -> None:
    following = a_consultation(an_appointment(DR_SMITH), started_at=NOON + minutes(19))

    visit = a_visit(consultations=[following])

    assert decide_due(visit, RUNNING.remind_at) is None
    assert next_deadline(visit) == NOON + minutes(39)


@pytest.mark.parametrize(
    ("at", "over"), [(DAY_END - timedelta(milliseconds=1), False), (DAY_END, True)], ids=["before", "at the end"]
)
def test_day_is_over_at_its_end(at: datetime, over: bool) -> None:
    assert day_is_over(a_visit(), at) is over


def test_next_deadline_is_the_earliest() -> None:
    reserved = a_reservation(DR_OKAFOR, NOON + minutes(1))

    assert next_deadline(a_visit()) == DAY_END
    assert next_deadline(a_visit(consultations=[RUNNING])) == NOON + minutes(20)
    assert next_deadline(a_visit(consultations=[RUNNING], waiting=[DR_OKAFOR], reservation=reserved)) == NOON + minutes(
        1
    )


def test_offer_without_reservation_never_ends() -> None:
    offer = a_place(DR_OKAFOR, notified_at=NOON)

    assert next_deadline(a_visit(waiting=[offer], limits=Limits(offer=timedelta(0)))) == DAY_END


def test_next_timer_says_what_happens() -> None:
    reserved = a_reservation(DR_OKAFOR, NOON + minutes(5))
    with_limit = RUNNING.model_copy(update={"remind_at": NOON + minutes(90), "abandon_at": NOON + minutes(80)})
    pending = PendingTracking(appointment_id=7, day=DAY, not_seen_at=NOON + minutes(3))
    waiting_patient = a_visit().model_copy(update={"facts": Facts(pending=(pending,))})
    closing = a_visit().model_copy(update={"phase": "closing"})

    assert next_timer(a_visit()).reason == "end of the hospital day"
    assert next_timer(a_visit(consultations=[RUNNING])).reason == f"reminder to doctor {DR_AMRANI.id}"
    assert (
        next_timer(a_visit(consultations=[with_limit])).reason
        == f"time limit of the consultation of doctor {DR_AMRANI.id}"
    )
    assert next_timer(a_visit(reservation=reserved)).reason == f"end of the reservation for doctor {DR_OKAFOR.id}"
    assert next_timer(waiting_patient).reason == "check-in for appointment 7 ends as not seen"
    assert next_timer(closing).reason == "end of the visit"
