"""The rows of docs/decisions.md about what is taken back, and about cancellations, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.commands import Command
from tests.support.builders import DR_AMRANI, DR_OKAFOR
from tests.support.commands import (
    a_cancellation,
    a_reopening,
    an_undo_of_cancellation,
    an_undo_of_check_in,
    an_undo_of_check_out,
    an_undo_of_start,
)
from tests.support.decision_table import COMPLETED, OFFERED, UPDATED, DecisionRow, Situation

# The titles of the tables.
DOCTOR = "Undo start, by its doctor"
OTHER = "Undo start, by another doctor"
SUPERVISOR = "Undo start, by a supervisor"
REOPENER = "Reopen, by its doctor"
OTHER_REOPENER = "Reopen, by another doctor"
REOPENING_SUPERVISOR = "Reopen, by a supervisor"
CHECK_IN = "Undo check-in"
CHECK_OUT = "Undo check-out"
CANCEL = "Cancel"
UNDO_CANCEL = "Undo cancel"
#: To the doctor whose consultation a supervisor ends.
RELEASED = "consultation.released"
REOPENED = (("ReopenConsultation",), ("consultation.reopened", UPDATED))
TAKES_OFFER_BACK = (("ReopenConsultation", "EndReservation"), ("consultation.reopened", UPDATED))
BLOCKED = (("NoteRefusal",), ("consultation.blocked",))


def taken_back(*ended: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The changes and events of a start that is taken back. `ended` are the events of the end of the consultation."""
    return ("EndConsultation", "WriteAppointmentStatus"), (*ended, UPDATED)


def _undo_start(command: str, *ended: str) -> list[DecisionRow]:
    """The rows of a doctor and of a supervisor. `ended` are the events of the end of the consultation."""
    serves_line = ("EndConsultation", "OfferPatient", "WriteAppointmentStatus"), (*ended, *OFFERED, UPDATED)
    waits_again = ("EndConsultation", "WaitAgain"), (*ended, UPDATED)
    return [
        DecisionRow(command, "in consultation", "200", *taken_back(*ended)),
        DecisionRow(command, "in consultation, after a check-in", "200", *waits_again),
        DecisionRow(command, "in consultation, another doctor in line", "200", *serves_line),
        DecisionRow(command, "start taken back", "200"),
        DecisionRow(command, "completed", "consultation_ended"),
        DecisionRow(command, "released", "consultation_ended"),
        DecisionRow(command, "timed out", "consultation_ended"),
    ]


def _reopen(command: str) -> list[DecisionRow]:
    """The rows that are the same for a doctor and for a supervisor."""
    return [
        DecisionRow(command, "in consultation", "200"),
        DecisionRow(command, "completed", "200", *REOPENED),
        DecisionRow(command, "completed, offered to another doctor", "200", *TAKES_OFFER_BACK),
        DecisionRow(command, "completed on another day", "too_late"),
        DecisionRow(command, "released", "consultation_ended"),
        DecisionRow(command, "timed out", "consultation_ended"),
        DecisionRow(command, "start taken back", "consultation_ended"),
    ]


COMMANDS: dict[str, Callable[[Situation], Command]] = {
    DOCTOR: lambda now: an_undo_of_start(now.consultation, now.past, by=DR_AMRANI),
    OTHER: lambda now: an_undo_of_start(now.consultation, now.past, by=DR_OKAFOR),
    SUPERVISOR: lambda now: an_undo_of_start(now.consultation, now.past),
    REOPENER: lambda now: a_reopening(now.appointment, now.past, by=DR_AMRANI),
    OTHER_REOPENER: lambda now: a_reopening(now.appointment, now.past, by=DR_OKAFOR),
    REOPENING_SUPERVISOR: lambda now: a_reopening(now.appointment, now.past),
    CHECK_IN: lambda now: an_undo_of_check_in(now.appointment, now.past),
    CHECK_OUT: lambda now: an_undo_of_check_out(now.appointment, now.past),
    CANCEL: lambda now: a_cancellation(now.appointment),
    UNDO_CANCEL: lambda now: an_undo_of_cancellation(now.appointment, now.past),
}
ROWS = [
    *_undo_start(DOCTOR, COMPLETED),
    DecisionRow(DOCTOR, "in consultation for more than 5 minutes", "too_late"),
    DecisionRow(OTHER, "in consultation", "not_yours"),
    *_undo_start(SUPERVISOR, COMPLETED, RELEASED),
    DecisionRow(SUPERVISOR, "in consultation for more than 5 minutes", "200", *taken_back(COMPLETED, RELEASED)),
    *_reopen(REOPENER),
    DecisionRow(REOPENER, "completed more than 5 minutes ago", "too_late"),
    DecisionRow(REOPENER, "completed, in consultation with another doctor", "patient_in_consultation", *BLOCKED),
    DecisionRow(OTHER_REOPENER, "completed", "not_yours"),
    *_reopen(REOPENING_SUPERVISOR),
    DecisionRow(REOPENING_SUPERVISOR, "completed more than 5 minutes ago", "200", *REOPENED),
    DecisionRow(REOPENING_SUPERVISOR, "completed, in consultation with another doctor", "patient_in_consultation"),
    DecisionRow(CHECK_IN, "not arrived", "not_checked_in"),
    DecisionRow(CHECK_IN, "checked in", "200", ("CloseTracking",), (UPDATED,)),
    DecisionRow(
        CHECK_IN,
        "checked in, its doctor in line",
        "200",
        ("CloseTracking", "LeaveLine"),
        (UPDATED, "patient.updated", "waiting.ended"),
    ),
    DecisionRow(CHECK_IN, "in consultation", "appointment_in_progress"),
    DecisionRow(CHECK_IN, "in consultation, after a check-in", "appointment_in_progress"),
    DecisionRow(CHECK_IN, "completed", "not_checked_in"),
    DecisionRow(CHECK_IN, "start taken back", "not_checked_in"),
    DecisionRow(CHECK_IN, "check-in taken back", "200"),
    DecisionRow(CHECK_IN, "checked out", "not_checked_in"),
    DecisionRow(CHECK_IN, "not seen", "not_checked_in"),
    DecisionRow(CHECK_IN, "canceled", "not_checked_in"),
    DecisionRow(CHECK_OUT, "not arrived", "not_checked_out"),
    DecisionRow(CHECK_OUT, "checked in", "200"),
    DecisionRow(CHECK_OUT, "in consultation", "appointment_in_progress"),
    DecisionRow(CHECK_OUT, "completed", "appointment_closed"),
    DecisionRow(CHECK_OUT, "start taken back", "not_checked_out"),
    DecisionRow(CHECK_OUT, "check-in taken back", "not_checked_out"),
    DecisionRow(CHECK_OUT, "checked out", "200", ("OpenTracking",), (UPDATED,)),
    DecisionRow(CHECK_OUT, "checked out on another day", "too_late"),
    DecisionRow(CHECK_OUT, "checked out, then canceled", "appointment_closed"),
    DecisionRow(CHECK_OUT, "not seen", "not_checked_out"),
    DecisionRow(CHECK_OUT, "canceled", "appointment_closed"),
    DecisionRow(CANCEL, "not arrived", "200", ("WriteAppointmentStatus",), (UPDATED,)),
    DecisionRow(CANCEL, "checked in", "200", ("CloseTracking",), (UPDATED,)),
    DecisionRow(
        CANCEL,
        "checked in, its doctor in line",
        "200",
        ("CloseTracking", "LeaveLine"),
        (UPDATED, "patient.updated", "waiting.ended"),
    ),
    DecisionRow(CANCEL, "in consultation", "appointment_in_progress"),
    DecisionRow(CANCEL, "completed", "appointment_closed"),
    DecisionRow(CANCEL, "released", "200", ("WriteAppointmentStatus",), (UPDATED,)),
    DecisionRow(CANCEL, "checked out", "200", ("WriteAppointmentStatus",), (UPDATED,)),
    DecisionRow(CANCEL, "canceled", "200"),
    DecisionRow(UNDO_CANCEL, "not arrived", "200"),
    DecisionRow(UNDO_CANCEL, "checked in", "200"),
    DecisionRow(UNDO_CANCEL, "in consultation", "appointment_in_progress"),
    DecisionRow(UNDO_CANCEL, "completed", "appointment_closed"),
    DecisionRow(UNDO_CANCEL, "canceled", "200", ("WriteAppointmentStatus",), (UPDATED,)),
    DecisionRow(UNDO_CANCEL, "canceled after a check-in", "200", ("OpenTracking",), (UPDATED,)),
    DecisionRow(UNDO_CANCEL, "canceled on another day", "too_late"),
    DecisionRow(UNDO_CANCEL, "canceled by an earlier version of the program", "too_late"),
]
