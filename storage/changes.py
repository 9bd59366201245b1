"""One change of a decision, written to its rows; it must not decide whether the change is right, nor commit it."""

from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch

from sqlalchemy import Connection, delete, insert, update

from storage.tables import appointments, patient_trackings, waiting_line
from visit.codes import AppointmentStatus, Outcome, TrackingStatus
from visit.decisions import (
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
from visit.record import Entry
from visit.state import WaitingDoctor


class OvertakenError(Exception):
    """The row to change is not there any more: the decision was overtaken, and all of it is taken back."""


@dataclass(frozen=True)
class Hand:
    """Who writes, where, for which entry."""

    connection: Connection
    entry: Entry
    caller_id: int

    @property
    def at(self) -> datetime:
        return self.entry.decision.at

    def tracking(self, consultation_id: str, **values: object) -> None:
        found = self.connection.execute(
            update(patient_trackings)
            .where(patient_trackings.c.consultation_id == consultation_id)
            .where(patient_trackings.c.status == TrackingStatus.in_progress.value)
            .values(**values)
        )
        if found.rowcount != 1:
            raise OvertakenError

    def appointment(self, appointment_id: int, status: AppointmentStatus) -> None:
        self.connection.execute(
            update(appointments).where(appointments.c.id == appointment_id).values(status=status.value)
        )

    def offer(self, place: WaitingDoctor) -> None:
        found = self.connection.execute(
            update(waiting_line)
            .where(waiting_line.c.patient_id == self.entry.patient_id)
            .where(waiting_line.c.visit_day == place.day)
            .where(waiting_line.c.doctor_id == place.doctor_id)
            .values(offered_until=place.offered_until)
        )
        if found.rowcount != 1:
            raise OvertakenError


@singledispatch
def apply(change: Change, hand: Hand) -> None:
    """Write the change's rows, within the caller's transaction."""
    raise TypeError(f"no rows for {type(change).__name__}")


@apply.register
def _open_consultation(change: OpenConsultation, hand: Hand) -> None:
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
        found = hand.connection.execute(
            update(patient_trackings)
            .where(patient_trackings.c.appointment_id == begun.appointment_id)
            .where(patient_trackings.c.status == TrackingStatus.pending.value)
            .values(**values)
        )
        if found.rowcount != 1:
            raise OvertakenError
    else:
        walked_in = {
            "patient_id": begun.patient_id,
            "appointment_id": begun.appointment_id,
            "check_in_time": begun.started_at,
            "created_by": hand.caller_id,
        }
        hand.connection.execute(insert(patient_trackings).values(**values, **walked_in))
    hand.appointment(begun.appointment_id, AppointmentStatus.in_progress)


@apply.register
def _end_consultation(change: EndConsultation, hand: Hand) -> None:
    completed = TrackingStatus.completed.value
    hand.tracking(change.consultation.id, status=completed, outcome=change.outcome.value, check_out_time=hand.at)
    after = AppointmentStatus.done if change.outcome is Outcome.done else AppointmentStatus.confirmed
    hand.appointment(change.consultation.appointment_id, after)


@apply.register
def _keep_time(change: PostponeConsultation | RemindHolder, hand: Hand) -> None:
    kept = change.consultation
    hand.tracking(
        kept.id,
        overdue_at=kept.overdue_at,
        remind_at=kept.remind_at,
        reminders=kept.reminders,
        abandon_at=kept.abandon_at,
    )


@apply.register
def _adopt_consultation(change: AdoptConsultation, hand: Hand) -> None:
    hand.tracking(change.consultation.id, visit_day=change.consultation.day)


@apply.register
def _open_tracking(change: OpenTracking, hand: Hand) -> None:
    mine = change.appointment
    hand.connection.execute(
        insert(patient_trackings).values(
            patient_id=mine.patient_id,
            appointment_id=mine.id,
            prestation_id=mine.prestation_id,
            doctor_id=mine.doctor_id,
            exclusive=mine.exclusive,
            visit_day=hand.entry.day,
            status=TrackingStatus.pending.value,
            check_in_time=hand.at,
            created_by=hand.caller_id,
            reminders=0,
        )
    )
    hand.appointment(mine.id, AppointmentStatus.pending)


@apply.register
def _close_tracking(change: CloseTracking, hand: Hand) -> None:
    found = hand.connection.execute(
        update(patient_trackings)
        .where(patient_trackings.c.appointment_id == change.appointment_id)
        .where(patient_trackings.c.status == TrackingStatus.pending.value)
        .values(status=TrackingStatus.completed.value, outcome=change.outcome.value, check_out_time=hand.at)
    )
    if found.rowcount != 1:
        raise OvertakenError
    hand.appointment(change.appointment_id, change.status)


@apply.register
def _write_appointment_status(change: WriteAppointmentStatus, hand: Hand) -> None:
    hand.appointment(change.appointment_id, change.status)


@apply.register
def _join_line(change: JoinLine, hand: Hand) -> None:
    place = change.place
    hand.connection.execute(
        insert(waiting_line).values(
            patient_id=hand.entry.patient_id,
            doctor_id=place.doctor_id,
            appointment_id=place.appointment_id,
            visit_day=place.day,
            since=place.since,
        )
    )


@apply.register
def _leave_line(change: LeaveLine, hand: Hand) -> None:
    hand.connection.execute(
        delete(waiting_line)
        .where(waiting_line.c.patient_id == hand.entry.patient_id)
        .where(waiting_line.c.visit_day == change.place.day)
        .where(waiting_line.c.doctor_id == change.place.doctor_id)
    )


@apply.register
def _offer(change: OfferPatient | WithdrawOffer, hand: Hand) -> None:
    hand.offer(change.place)


@apply.register
def _note_refusal(change: NoteRefusal, hand: Hand) -> None:
    """A refusal changes no row; it is told, and kept in the timeline and as an answer."""
