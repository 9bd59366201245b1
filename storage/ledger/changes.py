"""One change of a decision, written to its rows; it must not decide whether the change is right, nor commit it."""

from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch

from sqlalchemy import Connection, Update, bindparam, delete, insert, update

from patient_visit_engine.storage.tables import appointments, patient_trackings, waiting_line
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.visit.decisions import (
    AdoptConsultation,
    Change,
    CloseTracking,
    EndConsultation,
    JoinLine,
    LeaveLine,
    NoteRefusal,
    OfferPatient,
    OpenConsultation,
    OpenTracking,
    PostponeConsultation,
    RemindHolder,
    WithdrawOffer,
    WriteAppointmentStatus,
)
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import WaitingDoctor

# Written out once: building a statement costs more than SQLite takes to run it.
SET_APPOINTMENT_STATUS = update(appointments).where(appointments.c.id == bindparam("of")).values(status=bindparam("to"))
INSERT_TRACKING = insert(patient_trackings)
PENDING_OF_APPOINTMENT = (
    update(patient_trackings)
    .where(patient_trackings.c.appointment_id == bindparam("of"))
    .where(patient_trackings.c.status == TrackingStatus.pending.value)
)
RUNNING_CONSULTATION = (
    update(patient_trackings)
    .where(patient_trackings.c.consultation_id == bindparam("of"))
    .where(patient_trackings.c.status == TrackingStatus.in_progress.value)
)
PLACE_IN_LINE = (
    (waiting_line.c.patient_id == bindparam("patient"))
    & (waiting_line.c.visit_day == bindparam("day"))
    & (waiting_line.c.doctor_id == bindparam("doctor"))
)
INSERT_PLACE = insert(waiting_line)
DELETE_PLACE = delete(waiting_line).where(PLACE_IN_LINE)
SET_OFFER = update(waiting_line).where(PLACE_IN_LINE).values(offered_until=bindparam("until"))


class OvertakenError(Exception):
    """The row to change is not there any more: the decision was overtaken, and all of it is taken back."""


@dataclass(frozen=True)
class Writer:
    """Who writes, where, for which entry."""

    connection: Connection
    entry: LedgerEntry
    caller_id: int

    @property
    def at(self) -> datetime:
        return self.entry.decision.at

    def one(self, statement: Update, of: object, **values: object) -> None:
        """Change the one row that `statement` finds for `of`; when it is not there any more the decision was overtaken."""
        if self.connection.execute(statement, {"of": of, **values}).rowcount != 1:
            raise OvertakenError

    def appointment(self, appointment_id: int, status: AppointmentStatus) -> None:
        self.one(SET_APPOINTMENT_STATUS, appointment_id, to=status.value)

    def place(self, place: WaitingDoctor) -> dict[str, object]:
        return {"patient": self.entry.patient_id, "day": place.day, "doctor": place.doctor_id}


@singledispatch
def apply(change: Change, hand: Writer) -> None:
    """Write the change's rows, within the caller's transaction."""
    raise TypeError(f"no rows for {type(change).__name__}")


@apply.register
def _open_consultation(change: OpenConsultation, hand: Writer) -> None:
    begun = change.consultation
    values = {
        "status": TrackingStatus.in_progress.value,
        "visit_day": begun.day,
        "doctor_id": begun.doctor_id,
        "prestation_id": begun.prestation_id,
        "exclusive": begun.exclusive,
        "consultation_id": begun.id,
        "started_at": begun.started_at,
        "overdue_at": begun.overdue_at,
        "remind_at": begun.remind_at,
        "reminders": begun.reminders,
        "abandon_at": begun.abandon_at,
    }
    if any(p.appointment_id == begun.appointment_id for p in hand.entry.seen.pending):
        # Only this appointment's own check-in goes in progress, whatever else the patient waits for.
        hand.one(PENDING_OF_APPOINTMENT, begun.appointment_id, **values)
    else:
        walked_in = {
            "patient_id": begun.patient_id,
            "appointment_id": begun.appointment_id,
            "check_in_time": begun.started_at,
            "created_by": hand.caller_id,
        }
        hand.connection.execute(INSERT_TRACKING, values | walked_in)
    hand.appointment(begun.appointment_id, AppointmentStatus.in_progress)


@apply.register
def _end_consultation(change: EndConsultation, hand: Writer) -> None:
    completed = TrackingStatus.completed.value
    ended = {"status": completed, "outcome": change.outcome.value, "check_out_time": hand.at}
    hand.one(RUNNING_CONSULTATION, change.consultation.id, **ended)
    after = AppointmentStatus.done if change.outcome is Outcome.done else AppointmentStatus.confirmed
    hand.appointment(change.consultation.appointment_id, after)


@apply.register
def _keep_time(change: PostponeConsultation | RemindHolder, hand: Writer) -> None:
    kept = change.consultation
    hand.one(
        RUNNING_CONSULTATION,
        kept.id,
        overdue_at=kept.overdue_at,
        remind_at=kept.remind_at,
        reminders=kept.reminders,
        abandon_at=kept.abandon_at,
    )


@apply.register
def _adopt_consultation(change: AdoptConsultation, hand: Writer) -> None:
    hand.one(RUNNING_CONSULTATION, change.consultation.id, visit_day=change.consultation.day)


@apply.register
def _open_tracking(change: OpenTracking, hand: Writer) -> None:
    mine = change.appointment
    arrived = {
        "patient_id": mine.patient_id,
        "appointment_id": mine.id,
        "prestation_id": mine.prestation_id,
        "doctor_id": mine.doctor_id,
        "exclusive": mine.exclusive,
        "visit_day": hand.entry.day,
        "status": TrackingStatus.pending.value,
        "check_in_time": hand.at,
        "created_by": hand.caller_id,
        "reminders": 0,
    }
    hand.connection.execute(INSERT_TRACKING, arrived)
    hand.appointment(mine.id, AppointmentStatus.pending)


@apply.register
def _close_tracking(change: CloseTracking, hand: Writer) -> None:
    completed = TrackingStatus.completed.value
    left = {"status": completed, "outcome": change.outcome.value, "check_out_time": hand.at}
    hand.one(PENDING_OF_APPOINTMENT, change.appointment_id, **left)
    hand.appointment(change.appointment_id, change.status)


@apply.register
def _write_appointment_status(change: WriteAppointmentStatus, hand: Writer) -> None:
    hand.appointment(change.appointment_id, change.status)


@apply.register
def _join_line(change: JoinLine, hand: Writer) -> None:
    place = change.place
    hand.connection.execute(
        INSERT_PLACE,
        {
            "patient_id": hand.entry.patient_id,
            "doctor_id": place.doctor_id,
            "appointment_id": place.appointment_id,
            "visit_day": place.day,
            "since": place.since,
        },
    )


@apply.register
def _leave_line(change: LeaveLine, hand: Writer) -> None:
    hand.connection.execute(DELETE_PLACE, hand.place(change.place))


@apply.register
def _offer(change: OfferPatient | WithdrawOffer, hand: Writer) -> None:
    offered = hand.place(change.place) | {"until": change.place.offered_until}
    if hand.connection.execute(SET_OFFER, offered).rowcount != 1:
        raise OvertakenError


@apply.register
def _note_refusal(change: NoteRefusal, hand: Writer) -> None:
    """A refusal changes no row; it is told, and kept in the timeline and as an answer."""
