"""What time does by itself: reminders, abandoned consultations, the day's end, and when to look next."""

from datetime import datetime, timedelta

import pytest

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import (
    CloseTracking,
    ConsultationStands,
    EndConsultation,
    OfferPatient,
    RemindHolder,
)
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


def test_the_holder_is_reminded_when_the_expected_time_is_over_and_each_fifteen_minutes_after() -> None:
    visit = a_visit(consultations=[RUNNING])

    first = reminded(visit, NOON + minutes(20))
    second = reminded(first, NOON + minutes(35))

    assert next_deadline(first) == NOON + minutes(35)
    assert decide_due(first, NOON + minutes(35) - timedelta(milliseconds=1)) is None
    assert next_deadline(second) == NOON + minutes(50)
    assert second.facts.in_progress[0].reminders == 2


def test_reminders_that_were_slept_through_come_once_and_the_rhythm_is_kept() -> None:
    visit = a_visit(consultations=[RUNNING])

    late = reminded(visit, NOON + minutes(20 + 15 * 3 + 4))

    assert late.facts.in_progress[0].reminders == 1
    assert next_deadline(late) == NOON + minutes(20 + 15 * 4)
    assert decide_due(late, NOON + minutes(20 + 15 * 3 + 4)) is None


def test_an_extension_moves_the_next_reminder() -> None:
    visit = reminded(a_visit(consultations=[RUNNING]), NOON + minutes(20))

    moved = decide(visit, an_extension(visit.facts.in_progress[0], 10), NOON + minutes(25)).answer

    assert isinstance(moved, ConsultationStands)
    extended = a_visit(consultations=[moved.consultation])
    assert decide_due(extended, NOON + minutes(35) - timedelta(milliseconds=1)) is None
    assert reminded(extended, NOON + minutes(35)).facts.in_progress[0].reminders == 2


def test_an_abandoned_consultation_is_closed_and_the_line_is_served() -> None:
    visit = a_visit(consultations=[RUNNING.model_copy(update={"remind_at": MIDNIGHT})], waiting=[DR_OKAFOR])

    assert decide_due(visit, NOON + timedelta(hours=4) - timedelta(milliseconds=1)) is None
    decision = decide_due(visit, NOON + timedelta(hours=4))

    assert decision is not None
    ended, offer = decision.changes
    assert isinstance(ended, EndConsultation)
    assert ended.outcome is Outcome.timed_out
    assert isinstance(offer, OfferPatient)


def test_a_consultation_both_overdue_and_abandoned_is_closed_without_a_reminder() -> None:
    decision = decide_due(a_visit(consultations=[RUNNING]), NOON + timedelta(hours=5))

    assert decision is not None
    assert [type(change) for change in decision.changes] == [EndConsultation]


def test_a_reminder_for_a_consultation_that_is_over_does_not_strike_the_next_one() -> None:
    following = a_consultation(an_appointment(DR_SMITH), started_at=NOON + minutes(19))

    visit = a_visit(consultations=[following])

    assert decide_due(visit, RUNNING.remind_at) is None
    assert next_deadline(visit) == NOON + minutes(39)


def test_another_days_consultation_is_left_to_its_own_visit() -> None:
    yesterdays = a_consultation(an_appointment(DR_SMITH), day=YESTERDAY, started_at=NOON - timedelta(hours=12))
    visit = a_visit(consultations=[yesterdays])

    assert decide_due(visit, NOON) is None
    assert next_deadline(visit) == MIDNIGHT


def test_the_days_end_closes_who_was_not_seen_and_lets_a_running_consultation_go_on() -> None:
    late = a_consultation(an_appointment(DR_SMITH), started_at=MIDNIGHT - minutes(5))
    waiting = an_appointment(DR_OKAFOR, prestation=X_RAY)

    decision = decide_due(a_visit(consultations=[late], checked_in=[waiting]), MIDNIGHT)

    assert decision is not None
    assert decision.changes == (
        CloseTracking(appointment_id=waiting.id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed),
    )


def test_the_days_end_leaves_tomorrows_check_ins_alone() -> None:
    visit = a_visit()
    tomorrows = (PendingTracking(appointment_id=1, day=DAY + timedelta(days=1)),)

    assert (
        decide_due(
            visit.model_copy(update={"facts": visit.facts.model_copy(update={"pending": tomorrows})}),
            MIDNIGHT,
        )
        is None
    )


@pytest.mark.parametrize(
    ("at", "over"), [(MIDNIGHT - timedelta(milliseconds=1), False), (MIDNIGHT, True)], ids=["before", "midnight"]
)
def test_a_day_is_over_at_midnight(at: datetime, over: bool) -> None:
    assert day_is_over(a_visit(), at) is over


def test_the_next_deadline_is_the_first_of_all() -> None:
    offer = a_place(DR_OKAFOR, offered_until=NOON + minutes(1))

    assert next_deadline(a_visit()) == MIDNIGHT
    assert next_deadline(a_visit(consultations=[RUNNING])) == NOON + minutes(20)
    assert next_deadline(a_visit(consultations=[RUNNING], waiting=[offer])) == NOON + minutes(1)


def test_where_nothing_is_reserved_an_offer_has_no_deadline() -> None:
    offer = a_place(DR_OKAFOR, offered_until=NOON)

    assert next_deadline(a_visit(waiting=[offer], limits=Limits(offer=timedelta(0)))) == MIDNIGHT


def test_a_closing_visit_waits_only_for_what_still_runs() -> None:
    closing = {"phase": "closing"}

    assert next_deadline(a_visit().model_copy(update=closing)) is None
    assert next_deadline(a_visit(consultations=[RUNNING]).model_copy(update=closing)) == NOON + minutes(20)
