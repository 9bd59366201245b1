"""The start of a day: what is open passes to the new visit, and check-ins that have waited long enough end."""

from datetime import datetime, timedelta

import pytest

from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN, carry_over, carry_over_delay, visit_ends_at
from patient_visit_engine.visit.changes import CarryOver, Change, CloseTracking, PostponeNotSeen
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.consultation_changes import EndConsultation, OpenConsultation
from patient_visit_engine.visit.decisions import Refused
from patient_visit_engine.visit.facts import Facts, PendingTracking
from patient_visit_engine.visit.frozen import LONG_AGO
from patient_visit_engine.visit.line_changes import OfferPatient
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.timers import decide_due, next_deadline
from tests.support.builders import (
    DAY,
    DAY_END,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    a_consultation,
    a_place,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_completion, a_start

TOMORROW = DAY + timedelta(days=1)
RUNNING = a_consultation(an_appointment(DR_SMITH), started_at=DAY_END - minutes(5))
OF_OKAFOR = an_appointment(DR_OKAFOR)
OF_TOMORROW = an_appointment(DR_AMRANI, scheduled_at=DAY_END + minutes(60))


def tracking(check_in_time: datetime, *, scheduled_at: datetime = NOON) -> PendingTracking:
    """A check-in of the first day, for Dr. Okafor."""
    return PendingTracking(appointment_id=OF_OKAFOR.id, day=DAY, check_in_time=check_in_time, scheduled_at=scheduled_at)


def next_day(*pending: PendingTracking, **visit: object) -> VisitState:
    """The visit of the second day, with facts of the first."""
    old: VisitState = a_visit(**visit)  # type: ignore[arg-type]
    facts = old.facts.model_copy(update={"pending": (*old.facts.pending, *pending)})
    return a_visit(day=TOMORROW).model_copy(update={"facts": facts})


def changes_of(state: VisitState, now: datetime) -> tuple[Change, ...]:
    """The changes of the first decision that is due."""
    decision = decide_due(state, now)
    return () if decision is None else decision.changes


def test_first_message_carries_everything_over() -> None:
    visit = next_day(consultations=[RUNNING], waiting=[DR_OKAFOR])

    decision = decide(a_start(OF_TOMORROW, wait=True), visit, DAY_END + minutes(1))

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    carried, _refusal, joined = decision.changes
    assert carried == CarryOver(day=TOMORROW)
    assert joined.place.day == TOMORROW  # type: ignore[union-attr]
    assert decision.answer.refusal.position == 2


def test_completion_after_day_end_offers_to_line() -> None:
    visit = next_day(consultations=[RUNNING], waiting=[DR_OKAFOR])

    decision = decide(a_completion(RUNNING), visit, DAY_END + minutes(1))

    assert [type(change) for change in decision.changes] == [CarryOver, EndConsultation, OfferPatient]


def test_nothing_open_carries_nothing() -> None:
    decision = decide(a_start(OF_TOMORROW), next_day(), DAY_END + minutes(1))

    assert [type(change) for change in decision.changes] == [OpenConsultation]


def test_adopt_carries_once() -> None:
    visit = next_day(consultations=[RUNNING])

    first = decide(Adopt(), visit, DAY_END)
    after = a_visit(day=TOMORROW, consultations=[RUNNING.model_copy(update={"day": TOMORROW})])

    assert first.changes == (CarryOver(day=TOMORROW),)
    assert decide(Adopt(), after, DAY_END).changes == ()


@pytest.mark.parametrize(
    ("waited", "outcome"),
    [(timedelta(hours=12), Outcome.not_seen), (timedelta(hours=12) - timedelta(milliseconds=1), None)],
    ids=["long enough", "not yet"],
)
def test_day_end_closes_only_long_waits(waited: timedelta, outcome: Outcome | None) -> None:
    visit = next_day(tracking(DAY_END - waited))

    changes = decide(Adopt(), visit, DAY_END + minutes(3)).changes

    if outcome is not None:
        confirmed = AppointmentStatus.confirmed
        closed = CloseTracking(appointment_id=OF_OKAFOR.id, outcome=outcome, status=confirmed, day=DAY)
        assert changes == (closed, CarryOver(day=TOMORROW))
    else:
        carried = tracking(DAY_END - waited).model_copy(
            update={"day": TOMORROW, "not_seen_at": DAY_END - waited + timedelta(hours=12)}
        )
        assert changes == (CarryOver(day=TOMORROW, pending=(carried,)),)


def test_appointment_of_the_night_is_not_closed_before_its_time() -> None:
    visit = next_day(tracking(NOON, scheduled_at=DAY_END + minutes(30)))

    (carried,) = decide(Adopt(), visit, DAY_END).changes

    assert isinstance(carried, CarryOver)
    assert carried.pending[0].not_seen_at == DAY_END + minutes(30)


RESERVED = Facts(reservation=a_reservation(DR_OKAFOR, DAY_END + minutes(20)))
IN_LINE = Facts(
    in_progress=(a_consultation(an_appointment(DR_SMITH), started_at=DAY_END),), waiting=(a_place(DR_OKAFOR),)
)


@pytest.mark.parametrize("facts", [RESERVED, IN_LINE], ids=["reserved", "in line"])
def test_check_in_whose_doctor_is_about_to_start_does_not_end(facts: Facts) -> None:
    waiting = facts.model_copy(update={"pending": (tracking(NOON),)})
    visit = a_visit(day=TOMORROW).model_copy(update={"facts": waiting})

    (carried,) = decide(Adopt(), visit, DAY_END + minutes(1)).changes
    _, later = carry_over(visit, DAY_END + minutes(1))
    (postponed,) = changes_of(later, DAY_END + minutes(16))

    assert isinstance(carried, CarryOver)
    assert [carry.not_seen_at for carry in carried.pending] == [DAY_END + minutes(16)]
    assert isinstance(postponed, PostponeNotSeen)
    assert postponed.tracking.not_seen_at == DAY_END + minutes(31)


def test_carried_check_in_ends_when_it_has_waited() -> None:
    waiting = tracking(DAY_END - minutes(60)).model_copy(
        update={"day": TOMORROW, "not_seen_at": DAY_END + timedelta(hours=11)}
    )
    visit = a_visit(day=TOMORROW).model_copy(update={"facts": Facts(pending=(waiting,))})

    assert next_deadline(visit) == DAY_END + timedelta(hours=11)
    assert changes_of(visit, DAY_END + timedelta(hours=11) - timedelta(milliseconds=1)) == ()
    (closed,) = changes_of(visit, DAY_END + timedelta(hours=11))
    assert isinstance(closed, CloseTracking)
    assert closed.outcome is Outcome.not_seen


def test_late_end_of_a_wait_gives_time_first() -> None:
    waiting = tracking(NOON).model_copy(update={"day": TOMORROW, "not_seen_at": DAY_END})
    visit = a_visit(day=TOMORROW).model_copy(update={"facts": Facts(pending=(waiting,))})

    (postponed,) = changes_of(visit, DAY_END + minutes(1.1))

    assert isinstance(postponed, PostponeNotSeen)
    assert postponed.tracking.not_seen_at == DAY_END + minutes(16.1)


def test_late_carry_over_gives_time_first() -> None:
    visit = next_day(tracking(NOON))

    (carried,) = decide(Adopt(), visit, DAY_END + timedelta(hours=3)).changes

    assert isinstance(carried, CarryOver)
    assert carried.pending[0].not_seen_at == DAY_END + timedelta(hours=3) + minutes(15)


def test_old_visit_leaves_timers_to_the_new_one() -> None:
    taken_over = a_visit(consultations=[RUNNING.model_copy(update={"day": TOMORROW})])
    closing = taken_over.model_copy(update={"phase": "closing"})

    assert changes_of(taken_over, DAY_END + timedelta(hours=3)) == ()
    assert next_deadline(taken_over) == DAY_END
    assert next_deadline(closing) == visit_ends_at(closing)


def test_old_visit_runs_timers_until_it_ends() -> None:
    closing = a_visit(consultations=[RUNNING]).model_copy(update={"phase": "closing"})

    assert next_deadline(closing) == min(RUNNING.overdue_at, visit_ends_at(closing))


def test_visits_end_at_different_moments() -> None:
    delays = [carry_over_delay(patient) for patient in range(1, 961)]

    assert min(delays) == timedelta(0)
    assert max(delays) < CARRY_OVER_WITHIN
    assert max(delays.count(delay) for delay in delays) == 2


def test_visit_of_older_program_closes_no_check_in() -> None:
    visit = next_day(tracking(NOON, scheduled_at=LONG_AGO)).model_copy(update={"day_starts_at": LONG_AGO})

    (carried,) = decide(Adopt(), visit, DAY_END).changes

    assert isinstance(carried, CarryOver)
