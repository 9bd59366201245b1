"""The tables of docs/decisions.md, with values: what each command does in each state of an appointment."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.commands import Command, PatientCommand
from patient_visit_engine.visit.day_appointments import DayAppointment
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.patient_commands import (
    CheckInPatient,
    CheckOutPatient,
    UndoCheckInPatient,
    UndoCheckOutPatient,
)
from patient_visit_engine.visit.state import Appointment, Consultation, VisitState
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID
from tests.support.builders import (
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import (
    a_cancellation,
    a_day,
    a_past,
    a_priority,
    a_reassignment,
    a_reopening,
    a_walk_in,
    an_undo_of_cancellation,
    an_undo_of_check_in,
    an_undo_of_check_out,
    an_undo_of_start,
    of_patient,
)

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


def _checked_in(*, line: bool = False) -> Situation:
    appointment = an_appointment(status=AppointmentStatus.pending)
    visit = a_visit(
        checked_in=[appointment], waiting=[DR_AMRANI] if line else [], in_consultation_with=DR_OKAFOR if line else None
    )
    return Situation(visit, appointment, a_past(appointment), a_consultation(appointment))


def _reserved() -> Situation:
    appointment = an_appointment(status=AppointmentStatus.pending)
    visit = a_visit(
        checked_in=[appointment],
        waiting=[DR_AMRANI, DR_OKAFOR],
        reservation=a_reservation(DR_AMRANI, NOON + minutes(1)),
    )
    return Situation(visit, appointment, a_past(appointment), a_consultation(appointment))


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
    "checked in": _checked_in,
    "checked in, its doctor in line": lambda: _checked_in(line=True),
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
PRIORITY = "Set priority 1"
REASSIGN = "Reassign"
INACTIVE = "Reassign, to an inactive doctor"
SAME = "Reassign, to its own doctor"
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
    PRIORITY: lambda now: a_priority(now.appointment, 1),
    REASSIGN: lambda now: a_reassignment(now.appointment, DR_LINDQVIST),
    INACTIVE: lambda now: a_reassignment(now.appointment, DR_LINDQVIST, active=False),
    SAME: lambda now: a_reassignment(now.appointment, DR_AMRANI),
}

ARRIVALS: dict[str, type[PatientCommand]] = {
    "Check in patient": CheckInPatient,
    "Check out patient": CheckOutPatient,
    "Undo check-in of patient": UndoCheckInPatient,
    "Undo check-out of patient": UndoCheckOutPatient,
}


def _of_patient(command: type[PatientCommand]) -> Callable[[Situation], Command]:
    def build(now: Situation) -> Command:
        past = now.past
        has_left = past.outcome is Outcome.left and past.ended_at != YESTERDAY_NOON
        item = DayAppointment(appointment=now.appointment, past=past)
        return of_patient(command, a_day(item, left_at=past.ended_at if has_left else None))

    return build


COMMANDS |= {name: _of_patient(command) for name, command in ARRIVALS.items()}
WALK_IN = "Walk-in, by reception"
WALK_IN_OF_DOCTOR = "Walk-in, by its doctor"
SENT_ON = "Walk-in, by another doctor"
NEW = an_appointment(DR_SMITH, number=LOWEST_MINTED_ID)
COMMANDS |= {
    WALK_IN: lambda _: a_walk_in(NEW),
    WALK_IN_OF_DOCTOR: lambda _: a_walk_in(NEW, by=DR_SMITH),
    SENT_ON: lambda _: a_walk_in(NEW, by=DR_AMRANI),
}

COMPLETED, UPDATED = "consultation.completed", "appointment.updated"
OFFERED = ("consultation.available", "patient.updated")
TAKEN_BACK = (("EndConsultation", "WriteAppointmentStatus"), (COMPLETED, UPDATED))
WAITS_AGAIN = (("EndConsultation", "WaitAgain"), (COMPLETED, UPDATED))
REOPENED = (("ReopenConsultation",), ("consultation.reopened", UPDATED))
TAKES_OFFER_BACK = (("ReopenConsultation", "EndReservation"), ("consultation.reopened", UPDATED))
BLOCKED = (("NoteRefusal",), ("consultation.blocked",))
PRIORITY_WRITTEN = (("WritePriority",), (UPDATED,))
GIVEN = (("RewriteAppointment",), (UPDATED, UPDATED))
SERVES_LINE = (("EndConsultation", "OfferPatient", "WriteAppointmentStatus"), (COMPLETED, *OFFERED, UPDATED))


def _undo_start(command: str) -> list[DecisionRow]:
    """The rows that are the same for a doctor and for a supervisor."""
    return [
        DecisionRow(command, "in consultation", "200", *TAKEN_BACK),
        DecisionRow(command, "in consultation, after a check-in", "200", *WAITS_AGAIN),
        DecisionRow(command, "in consultation, another doctor in line", "200", *SERVES_LINE),
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


ARRIVAL, DEPARTURE, UNDONE_ARRIVAL, UNDONE_DEPARTURE = ARRIVALS
WALKS_IN = (("AddWalkIn",), (UPDATED,))
OPENS, CLOSES = (("OpenTracking",), (UPDATED,)), (("CloseTracking",), (UPDATED,))
ROWS = [
    *_undo_start(DOCTOR),
    DecisionRow(DOCTOR, "in consultation for more than 5 minutes", "too_late"),
    DecisionRow(OTHER, "in consultation", "not_yours"),
    *_undo_start(SUPERVISOR),
    DecisionRow(SUPERVISOR, "in consultation for more than 5 minutes", "200", *TAKEN_BACK),
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
    DecisionRow(PRIORITY, "not arrived", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "not arrived, with priority 1", "200"),
    DecisionRow(PRIORITY, "checked in", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "in consultation", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "paused", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "completed", "appointment_closed"),
    DecisionRow(PRIORITY, "released", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "checked out", "200", *PRIORITY_WRITTEN),
    DecisionRow(PRIORITY, "canceled", "appointment_closed"),
    DecisionRow(REASSIGN, "not arrived", "200", *GIVEN),
    DecisionRow(REASSIGN, "checked in", "200", *GIVEN),
    DecisionRow(
        REASSIGN,
        "checked in, its doctor in line",
        "200",
        ("RewriteAppointment", "LeaveLine"),
        (UPDATED, UPDATED, "patient.updated", "waiting.ended"),
    ),
    DecisionRow(
        REASSIGN,
        "checked in, reserved for its doctor, another doctor in line",
        "200",
        ("RewriteAppointment", "EndReservation", "LeaveLine", "OfferPatient"),
        (UPDATED, UPDATED, "patient.updated", "waiting.ended", *OFFERED),
    ),
    DecisionRow(REASSIGN, "in consultation", "tracking_open"),
    DecisionRow(REASSIGN, "paused", "tracking_open"),
    DecisionRow(REASSIGN, "completed", "appointment_closed"),
    DecisionRow(REASSIGN, "released", "200", *GIVEN),
    DecisionRow(REASSIGN, "checked out", "200", *GIVEN),
    DecisionRow(REASSIGN, "canceled", "appointment_closed"),
    DecisionRow(INACTIVE, "checked in", "doctor_inactive"),
    DecisionRow(INACTIVE, "in consultation", "tracking_open"),
    DecisionRow(SAME, "checked in, its doctor in line", "200"),
    DecisionRow(SAME, "in consultation", "200"),
    DecisionRow(SAME, "completed", "200"),
    DecisionRow(ARRIVAL, "not arrived", "200", *OPENS),
    DecisionRow(ARRIVAL, "checked in", "200"),
    DecisionRow(ARRIVAL, "in consultation", "200"),
    DecisionRow(ARRIVAL, "completed", "nothing_open"),
    DecisionRow(ARRIVAL, "released", "200", *OPENS),
    DecisionRow(ARRIVAL, "check-in taken back", "200", *OPENS),
    DecisionRow(ARRIVAL, "checked out", "200", *OPENS),
    DecisionRow(ARRIVAL, "not seen", "200", *OPENS),
    DecisionRow(ARRIVAL, "canceled", "nothing_open"),
    DecisionRow(DEPARTURE, "not arrived", "nothing_open"),
    DecisionRow(DEPARTURE, "checked in", "200", *CLOSES),
    DecisionRow(DEPARTURE, "in consultation", "appointment_in_progress"),
    DecisionRow(DEPARTURE, "completed", "nothing_open"),
    DecisionRow(DEPARTURE, "checked out", "nothing_open"),
    DecisionRow(DEPARTURE, "canceled", "nothing_open"),
    DecisionRow(UNDONE_ARRIVAL, "not arrived", "not_checked_in"),
    DecisionRow(UNDONE_ARRIVAL, "checked in", "200", *CLOSES),
    DecisionRow(UNDONE_ARRIVAL, "in consultation", "appointment_in_progress"),
    DecisionRow(UNDONE_ARRIVAL, "completed", "not_checked_in"),
    DecisionRow(UNDONE_ARRIVAL, "start taken back", "not_checked_in"),
    DecisionRow(UNDONE_ARRIVAL, "check-in taken back", "200"),
    DecisionRow(UNDONE_ARRIVAL, "checked out", "not_checked_in"),
    DecisionRow(UNDONE_DEPARTURE, "not arrived", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "checked in", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "in consultation", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "check-in taken back", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "checked out", "200", *OPENS),
    DecisionRow(UNDONE_DEPARTURE, "checked out on another day", "not_checked_out"),
    DecisionRow(UNDONE_DEPARTURE, "checked out, then canceled", "appointment_closed"),
    DecisionRow(UNDONE_DEPARTURE, "canceled", "not_checked_out"),
    DecisionRow(WALK_IN, "not arrived", "200", *WALKS_IN),
    DecisionRow(WALK_IN, "checked in", "200", *WALKS_IN),
    DecisionRow(WALK_IN, "in consultation", "200", *WALKS_IN),
    DecisionRow(WALK_IN_OF_DOCTOR, "not arrived", "200", *WALKS_IN),
    DecisionRow(WALK_IN_OF_DOCTOR, "in consultation", "200", *WALKS_IN),
    DecisionRow(SENT_ON, "not arrived", "not_yours"),
    DecisionRow(SENT_ON, "checked in", "not_yours"),
    DecisionRow(SENT_ON, "in consultation", "200", *WALKS_IN),
    DecisionRow(SENT_ON, "paused", "200", *WALKS_IN),
    DecisionRow(SENT_ON, "completed", "not_yours"),
]
