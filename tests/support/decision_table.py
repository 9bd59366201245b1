"""The states of docs/decisions.md with values, and what the tables of its commands share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.state import VisitState
from tests.support.builders import (
    CARDIOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    NOON,
    Prestation,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_past

ARRIVED_AT = NOON - minutes(60)
TEN_MINUTES_AGO, YESTERDAY_NOON = NOON - minutes(10), NOON - minutes(24 * 60)
BEFORE = AppointmentStatus.scheduled


@dataclass(frozen=True)
class Situation:
    """What is stored about one appointment of John Doe with Dr. Amrani."""

    visit: VisitState
    appointment: Appointment
    past: PastTracking
    #: The consultation of the appointment, running or ended.
    consultation: Consultation


class DecisionRow(NamedTuple):
    """One row of a table: what the command does in this state. `answer` is 200 or the code of a refusal."""

    command: str
    state: str
    answer: str
    changes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


def _not_arrived(priority: int | None = None) -> Situation:
    situation = _ended(None, status=BEFORE)
    appointment = situation.appointment.model_copy(update={"priority": priority})
    return replace(situation, appointment=appointment)


def checked_in(prestation: Prestation = CARDIOLOGY, **visit: Any) -> Situation:
    """The patient waits. `visit` has what else is open, as arguments of `a_visit`."""
    appointment = an_appointment(prestation=prestation, status=AppointmentStatus.pending)
    state = a_visit(checked_in=[appointment], **visit)
    return Situation(state, appointment, a_past(appointment), a_consultation(appointment))


def _reserved() -> Situation:
    return checked_in(waiting=[DR_AMRANI, DR_OKAFOR], reservation=a_reservation(DR_AMRANI, NOON + minutes(1)))


def running(minutes_ago: float = 3, *, checked_in: bool = False, line: bool = False) -> Situation:
    """The consultation was started so many minutes ago."""
    appointment = an_appointment(status=AppointmentStatus.in_progress)
    consultation = a_consultation(appointment, started_at=NOON - minutes(minutes_ago))
    if checked_in:
        consultation = consultation.model_copy(update={"checked_in_at": ARRIVED_AT})
    visit = a_visit(consultations=[consultation], waiting=[DR_OKAFOR] if line else [])
    return Situation(visit, appointment, a_past(appointment), consultation)


def _ended(
    outcome: Outcome | None,
    *,
    status: AppointmentStatus = AppointmentStatus.confirmed,
    was_started: bool = True,
    ended_at: datetime = TEN_MINUTES_AGO,
    visit: VisitState | None = None,
    canceled_at: datetime | None = None,
) -> Situation:
    appointment = an_appointment(status=status)
    arrived_at = None if outcome is None else ARRIVED_AT
    consultation = a_consultation(appointment)
    consultation_id = consultation.id if was_started else None
    past = a_past(
        appointment,
        outcome,
        arrived_at=arrived_at,
        ended_at=None if outcome is None else ended_at,
        consultation_id=consultation_id,
        canceled_at=canceled_at,
    )
    return Situation(visit or a_visit(), appointment, past, consultation)


def completed(*, minutes_ago: float = 3, visit: VisitState | None = None) -> Situation:
    """The consultation was completed so many minutes ago."""
    ended_at = NOON - minutes(minutes_ago)
    return _ended(Outcome.done, status=AppointmentStatus.done, ended_at=ended_at, visit=visit)


def _canceled(canceled_at: datetime | None = TEN_MINUTES_AGO) -> Situation:
    return _ended(None, status=AppointmentStatus.canceled, canceled_at=canceled_at)


def _canceled_after_arrival() -> Situation:
    return _ended(Outcome.cancelled, status=AppointmentStatus.canceled, was_started=False, canceled_at=TEN_MINUTES_AGO)


def _offered_to_okafor() -> VisitState:
    return a_visit(waiting=[DR_OKAFOR], reservation=a_reservation(DR_OKAFOR, NOON + minutes(1)))


STATES: dict[str, Callable[[], Situation]] = {
    "not arrived": _not_arrived,
    "not arrived, with priority 1": lambda: _not_arrived(1),
    "checked in": checked_in,
    "checked in, its doctor in line": lambda: checked_in(waiting=[DR_AMRANI], in_consultation_with=DR_OKAFOR),
    "checked in, reserved for its doctor, another doctor in line": _reserved,
    "in consultation": running,
    "in consultation, after a check-in": lambda: running(checked_in=True),
    "in consultation, another doctor in line": lambda: running(line=True),
    "in consultation for more than 5 minutes": lambda: running(6),
    "completed": completed,
    "completed more than 5 minutes ago": lambda: completed(minutes_ago=6),
    "completed on another day": lambda: completed(minutes_ago=24 * 60),
    "completed, in consultation with another doctor": lambda: completed(visit=a_visit(in_consultation_with=DR_OKAFOR)),
    "completed, offered to another doctor": lambda: completed(visit=_offered_to_okafor()),
    "released": lambda: _ended(Outcome.released),
    "timed out": lambda: _ended(Outcome.timed_out),
    "start taken back": lambda: _ended(Outcome.mistaken),
    "check-in taken back": lambda: _ended(Outcome.mistaken, was_started=False),
    "checked out": lambda: _ended(Outcome.left, was_started=False),
    "checked out on another day": lambda: _ended(Outcome.left, was_started=False, ended_at=YESTERDAY_NOON),
    "checked out, then canceled": lambda: _ended(Outcome.left, was_started=False, status=AppointmentStatus.canceled),
    "not seen": lambda: _ended(Outcome.not_seen, was_started=False),
    "canceled": _canceled,
    "canceled on another day": lambda: _canceled(YESTERDAY_NOON),
    "canceled by an earlier version of the program": lambda: _canceled(None),
    "canceled after a check-in": _canceled_after_arrival,
}

COMPLETED, UPDATED = "consultation.completed", "appointment.updated"
OFFERED = ("consultation.available", "patient.updated")
