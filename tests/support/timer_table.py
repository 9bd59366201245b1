"""The rows of docs/decisions.md about the time limits, with values. No one sends a command then."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from patient_visit_engine.visit.codes import AppointmentStatus, ReservationKind
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.state import VisitState
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    NOON,
    YESTERDAY,
    Doctor,
    a_consultation,
    a_place,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
    paused,
)
from tests.support.commands import a_past
from tests.support.decision_table import COMPLETED, OFFERED, DecisionRow, Situation

TIME = "A time limit"
COMMANDS: dict[str, Callable[[Situation], None]] = {TIME: lambda _: None}
A_MINUTE, LATE = minutes(1), minutes(10)


def _situation(visit: VisitState, consultation: Consultation | None = None) -> Situation:
    appointment = an_appointment(status=AppointmentStatus.in_progress)
    return Situation(visit, appointment, a_past(appointment), consultation or a_consultation(appointment))


def _started(ago: timedelta, *, is_reminded: bool = False, line: bool = False) -> Situation:
    """In consultation since then, with an expected time of 20 minutes and a time limit 4 hours after it."""
    consultation = a_consultation(started_at=NOON - ago)
    if is_reminded:
        consultation = consultation.model_copy(update={"remind_at": NOON + minutes(5), "reminders": 16})
    visit = a_visit(consultations=[consultation], waiting=[DR_OKAFOR] if line else [])
    return _situation(visit, consultation)


def _paused(limit_at: datetime) -> Situation:
    consultation = paused(a_consultation(started_at=NOON - minutes(300)), NOON - minutes(240))
    consultation = consultation.model_copy(update={"abandon_at": limit_at})
    return _situation(a_visit(paused=[consultation]), consultation)


def _checked_in(not_seen_at: datetime, **visit: Any) -> Situation:
    state = a_visit(checked_in=[an_appointment()], **visit)
    pending = tuple(tracking.model_copy(update={"not_seen_at": not_seen_at}) for tracking in state.facts.pending)
    return _situation(state.model_copy(update={"facts": state.facts.model_copy(update={"pending": pending})}))


def _reserved(over_since: timedelta, *, kind: str = "offered", line: list[Any] | None = None) -> Situation:
    reservation = a_reservation(DR_AMRANI, NOON - over_since).model_copy(update={"kind": ReservationKind(kind)})
    return _situation(a_visit(reservation=reservation, waiting=line or []))


def _in_line(*doctors: Doctor, unused_offers: int = 0) -> list[Any]:
    first, *others = doctors
    place = a_place(first, turn=1).model_copy(update={"unused_offers": unused_offers})
    return [place, *(a_place(doctor, turn=2) for doctor in others)]


TIMED_OUT = (COMPLETED, "consultation.released")
AMRANI_AND_OKAFOR = _in_line(DR_AMRANI, DR_OKAFOR)
STATES: dict[str, Callable[[], Situation]] = {
    "in consultation, within the expected time": lambda: _started(minutes(3)),
    "in consultation, past the expected time": lambda: _started(minutes(21)),
    "in consultation, at the time limit, not reminded": lambda: _started(minutes(260)),
    "in consultation, at the time limit, reminded": lambda: _started(minutes(260), is_reminded=True),
    "in consultation, at the time limit, reminded, another doctor in line": lambda: _started(
        minutes(260), is_reminded=True, line=True
    ),
    "in consultation, 10 minutes past the time limit": lambda: _started(minutes(270), is_reminded=True),
    "paused, before the time limit": lambda: _paused(NOON + A_MINUTE),
    "paused, at the time limit": lambda: _paused(NOON),
    "paused, 10 minutes past the time limit": lambda: _paused(NOON - LATE),
    "checked in, at the time limit": lambda: _checked_in(NOON),
    "checked in, 10 minutes past the time limit": lambda: _checked_in(NOON - LATE),
    "checked in, at the time limit, its doctor in line": lambda: _checked_in(
        NOON, waiting=[DR_AMRANI], in_consultation_with=DR_OKAFOR
    ),
    "checked in since yesterday": lambda: _situation(
        a_visit(checked_in=[an_appointment()], day=YESTERDAY).model_copy(
            update={
                "day": a_visit().day,
                "day_starts_at": a_visit().day_starts_at,
                "day_ends_at": a_visit().day_ends_at,
            }
        )
    ),
    "free, a doctor in line": lambda: _situation(a_visit(waiting=[DR_OKAFOR])),
    "offered, before its end": lambda: _reserved(-A_MINUTE, line=AMRANI_AND_OKAFOR),
    "offered, at its end, another doctor in line": lambda: _reserved(minutes(0), line=AMRANI_AND_OKAFOR),
    "offered for the second time, at its end, another doctor in line": lambda: _reserved(
        minutes(0), line=_in_line(DR_AMRANI, DR_OKAFOR, unused_offers=1)
    ),
    "offered, 10 minutes past its end, another doctor in line": lambda: _reserved(LATE, line=AMRANI_AND_OKAFOR),
    "called, at its end": lambda: _reserved(minutes(0), kind="called"),
    "called, 10 minutes past its end": lambda: _reserved(LATE, kind="called"),
    "transferred, at its end": lambda: _reserved(minutes(0), kind="transferred"),
    "transferred, 10 minutes past its end": lambda: _reserved(LATE, kind="transferred"),
}


def _row(state: str, changes: tuple[str, ...] = (), events: tuple[str, ...] = ()) -> DecisionRow:
    return DecisionRow(TIME, state, "", changes, events)


ROWS = [
    _row("in consultation, within the expected time"),
    _row("in consultation, past the expected time", ("RemindHolder",), ("consultation.overdue",)),
    _row("in consultation, at the time limit, not reminded", ("RemindHolder",), ("consultation.overdue",)),
    _row("in consultation, at the time limit, reminded", ("EndConsultation",), TIMED_OUT),
    _row(
        "in consultation, at the time limit, reminded, another doctor in line",
        ("EndConsultation", "OfferPatient"),
        (*TIMED_OUT, *OFFERED),
    ),
    _row("in consultation, 10 minutes past the time limit", ("RemindHolder",), ("consultation.overdue",)),
    _row("paused, before the time limit"),
    _row("paused, at the time limit", ("EndConsultation",), TIMED_OUT),
    _row("paused, 10 minutes past the time limit", ("PostponePauseLimit",)),
    _row("checked in, at the time limit", ("CloseTracking",), ("appointment.updated",)),
    _row("checked in, 10 minutes past the time limit", ("PostponeNotSeen",)),
    _row("checked in, at the time limit, its doctor in line", ("PostponeNotSeen",)),
    _row("checked in since yesterday", ("CarryOver",)),
    _row("free, a doctor in line", ("OfferPatient",), OFFERED),
    _row("offered, before its end"),
    _row(
        "offered, at its end, another doctor in line",
        ("EndReservation", "MoveDown", "OfferPatient"),
        ("patient.updated", *OFFERED),
    ),
    _row(
        "offered for the second time, at its end, another doctor in line",
        ("EndReservation", "LeaveLine", "OfferPatient"),
        ("patient.updated", "waiting.ended", *OFFERED),
    ),
    _row("offered, 10 minutes past its end, another doctor in line", ("OfferPatient",), OFFERED),
    _row("called, at its end", ("EndReservation",), ("patient.updated",)),
    _row("called, 10 minutes past its end", ("PostponeReservation",), ("patient.updated",)),
    _row("transferred, at its end", ("EndReservation",), ("patient.updated",)),
    _row("transferred, 10 minutes past its end", ("PostponeReservation",), ("patient.updated",)),
]
