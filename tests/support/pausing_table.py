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
from tests.support.commands import (
    a_completion,
    a_past,
    a_pause,
    a_release,
    a_resumption,
    a_start,
    a_status,
    an_extension,
)
from tests.support.decision_table import DecisionRow, Situation
from tests.support.undoing_table import DOCTOR, SUPERVISOR

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
PAUSE, OTHER, RESUME, START = "Pause, by its doctor", "Pause, by another doctor", "Resume", "Start of what is paused"
COMPLETE, DONE, RELEASE, EXTEND = "Complete", "Set the status done", "Release", "Extend"
COMMANDS: dict[str, Callable[[Situation], Command]] = {
    PAUSE: lambda now: a_pause(now.consultation),
    OTHER: lambda now: a_pause(now.consultation, by=DR_OKAFOR),
    RESUME: lambda now: a_resumption(now.appointment, now.consultation),
    START: lambda now: a_start(now.appointment),
    COMPLETE: lambda now: a_completion(now.consultation),
    DONE: lambda now: a_status(now.appointment, AppointmentStatus.done, by=DR_AMRANI.id),
    RELEASE: lambda now: a_release(now.consultation),
    EXTEND: lambda now: an_extension(now.consultation, 5),
}

COMPLETED, UPDATED = "consultation.completed", "appointment.updated"
OFFERED = ("consultation.available", "patient.updated")
ENDED = (("EndConsultation",), (COMPLETED,))
RELEASED = (("EndConsultation",), (COMPLETED, "consultation.released"))
PASSED_ON = ("EndConsultation", "EndReservation", "OfferPatient")
RESUMED = (("ResumeConsultation",), ("consultation.resumed",))
USED_OFFER = (("ResumeConsultation", "EndReservation"), ("consultation.resumed",))
ENDED_OTHERWISE = ("released", "timed out", "start taken back")


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
    *_end(RELEASE, *RELEASED),
    DecisionRow(EXTEND, "paused", "consultation_paused"),
    DecisionRow(DOCTOR, "paused", "200", ("EndConsultation", "WriteAppointmentStatus"), (COMPLETED, UPDATED)),
    DecisionRow(SUPERVISOR, "paused", "200", ("EndConsultation", "WriteAppointmentStatus"), (COMPLETED, UPDATED)),
    DecisionRow(
        SUPERVISOR,
        "paused, offered to its doctor",
        "200",
        ("EndConsultation", "EndReservation", "WriteAppointmentStatus"),
        (COMPLETED, UPDATED),
    ),
]
