"""The rows of docs/decisions.md about pauses, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.facts import Consultation, Reservation
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    NOON,
    Doctor,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
    paused,
)
from tests.support.commands import a_past, a_pause, a_resumption
from tests.support.decision_table import COMPLETED, OFFERED, UPDATED, DecisionRow, Situation
from tests.support.ending_table import COMPLETE, DONE, ENDED, ENDED_BY_SUPERVISOR, ENDED_OTHERWISE, EXTEND, RELEASE
from tests.support.starting_table import START
from tests.support.undoing_table import DOCTOR, RELEASED, SUPERVISOR, taken_back

A_MINUTE_LATER = NOON + minutes(1)


def _paused(
    *,
    other: Consultation | None = None,
    reserved_for: Doctor | None = None,
    line: bool = False,
) -> Situation:
    appointment = an_appointment(status=AppointmentStatus.in_progress)
    consultation = paused(a_consultation(appointment, started_at=NOON - minutes(3)), NOON - minutes(1))
    reservation: Reservation | None = None if reserved_for is None else a_reservation(reserved_for, A_MINUTE_LATER)
    visit = a_visit(
        consultations=[] if other is None else [other],
        paused=[consultation],
        reservation=reservation,
        waiting=[DR_OKAFOR] if line else [],
    )
    return Situation(visit, appointment, a_past(appointment), consultation)


STATES: dict[str, Callable[[], Situation]] = {
    "paused": _paused,
    "paused, in consultation with another doctor": lambda: _paused(other=a_consultation(an_appointment(DR_OKAFOR))),
    "paused, reserved for another doctor": lambda: _paused(reserved_for=DR_OKAFOR, line=True),
    "paused, offered to its doctor": lambda: _paused(reserved_for=DR_AMRANI),
    "paused, offered to its doctor before another one in line": lambda: _paused(reserved_for=DR_AMRANI, line=True),
}
PAUSE, OTHER, RESUME = "Pause, by its doctor", "Pause, by another doctor", "Resume"
COMMANDS: dict[str, Callable[[Situation], Command]] = {
    PAUSE: lambda now: a_pause(now.consultation),
    OTHER: lambda now: a_pause(now.consultation, by=DR_OKAFOR),
    RESUME: lambda now: a_resumption(now.appointment, now.consultation),
}

PASSED_ON = ("EndConsultation", "EndReservation", "OfferPatient")
RESUMED = (("ResumeConsultation",), ("consultation.resumed",))
USED_OFFER = (("ResumeConsultation", "EndReservation"), ("consultation.resumed",))


def _resume(command: str) -> list[DecisionRow]:
    """The rows that are the same for a resumption and for a start by the same doctor."""
    return [
        DecisionRow(command, "in consultation", "200"),
        DecisionRow(command, "paused", "200", *RESUMED),
        DecisionRow(command, "paused, offered to its doctor", "200", *USED_OFFER),
        DecisionRow(
            command,
            "paused, in consultation with another doctor",
            "patient_in_consultation",
            ("NoteRefusal",),
            ("consultation.blocked",),
        ),
        DecisionRow(command, "paused, reserved for another doctor", "patient_reserved", ("NoteRefusal",)),
    ]


def _end(command: str, changes: tuple[str, ...], events: tuple[str, ...]) -> list[DecisionRow]:
    """The rows of a command that ends the consultation: who is free already is not offered again."""
    return [
        DecisionRow(command, "paused", "200", changes, events),
        DecisionRow(command, "paused, in consultation with another doctor", "200", changes, events),
        DecisionRow(command, "paused, reserved for another doctor", "200", changes, events),
        DecisionRow(command, "paused, offered to its doctor", "200", (*changes, "EndReservation"), events),
        DecisionRow(
            command,
            "paused, offered to its doctor before another one in line",
            "200",
            (*changes, *PASSED_ON[1:]),
            (*events, *OFFERED),
        ),
    ]


ROWS = [
    DecisionRow(PAUSE, "in consultation", "200", ("PauseConsultation",), ("consultation.paused",)),
    DecisionRow(
        PAUSE,
        "in consultation, another doctor in line",
        "200",
        ("PauseConsultation", "OfferPatient"),
        ("consultation.paused", *OFFERED),
    ),
    DecisionRow(PAUSE, "paused", "200"),
    *(DecisionRow(PAUSE, state, "consultation_ended") for state in ("completed", *ENDED_OTHERWISE)),
    DecisionRow(OTHER, "in consultation", "not_yours"),
    DecisionRow(OTHER, "paused", "not_yours"),
    *_resume(RESUME),
    *(DecisionRow(RESUME, state, "consultation_ended") for state in ("completed", *ENDED_OTHERWISE)),
    *_resume(START),
    *_end(COMPLETE, *ENDED),
    *_end(DONE, *ENDED),
    *_end(RELEASE, *ENDED_BY_SUPERVISOR),
    DecisionRow(EXTEND, "paused", "consultation_paused"),
    DecisionRow(DOCTOR, "paused", "200", *taken_back(COMPLETED)),
    DecisionRow(SUPERVISOR, "paused", "200", *taken_back(COMPLETED, RELEASED)),
    DecisionRow(
        SUPERVISOR,
        "paused, offered to its doctor",
        "200",
        ("EndConsultation", "EndReservation", "WriteAppointmentStatus"),
        (COMPLETED, RELEASED, UPDATED),
    ),
]
