"""Writes one change of a decision to its rows, in the caller's transaction."""

from datetime import datetime
from functools import singledispatch

from patient_visit_engine.storage.ledger import calling, merging, pausing, transferring
from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.rewriting import rewrite_appointment
from patient_visit_engine.storage.ledger.writer import (
    PAUSED_CONSULTATION,
    PENDING_OF_APPOINTMENT,
    RUNNING_CONSULTATION,
    Writer,
)
from patient_visit_engine.storage.walk_ins import insert_walk_in
from patient_visit_engine.visit import changes, consultation_changes, line_changes
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.visit.facts import Consultation, PendingTracking, Reservation


@singledispatch
def apply(change: changes.Change, writer: Writer) -> None:
    """Write the rows of `change`."""
    raise TypeError(f"no rows are defined for {type(change).__name__}")


@apply.register
def _open_consultation(change: consultation_changes.OpenConsultation, writer: Writer) -> None:
    consultation = change.consultation
    values = {
        "status": TrackingStatus.in_progress.value,
        "visit_day": consultation.day,
        "doctor_id": consultation.doctor_id,
        "prestation_id": consultation.prestation_id,
        "exclusive": consultation.exclusive,
        "consultation_id": consultation.id,
        "started_at": consultation.started_at,
        "changed_at": writer.asking_time,
        **_timer_columns(consultation),
    }
    if any(pending.appointment_id == consultation.appointment_id for pending in writer.entry.seen.pending):
        # Only the check-in of this appointment becomes the consultation, not the patient's other check-ins.
        writer.update_tracking(PENDING_OF_APPOINTMENT, consultation.appointment_id, **values)
    else:
        without_check_in = {
            "appointment_id": consultation.appointment_id,
            "check_in_time": consultation.started_at,
            "checked_in": False,
        }
        writer.insert_tracking(values | without_check_in)
    writer.write_appointment_status(consultation.appointment_id, AppointmentStatus.in_progress)


@apply.register
def _end_consultation(change: consultation_changes.EndConsultation, writer: Writer) -> None:
    if change.consultation.paused_at is None:
        writer.complete_tracking(RUNNING_CONSULTATION, change.consultation.id, change.outcome)
    else:
        pausing.complete_paused(change.consultation, change.outcome, writer)
    if not change.waits_again and change.outcome is not Outcome.transferred:
        # Otherwise `confirmed` would become the status before the arrival.
        status = AppointmentStatus.done if change.outcome is Outcome.done else AppointmentStatus.confirmed
        writer.write_appointment_status(change.consultation.appointment_id, status)
    pausing.unmark_last_running(writer)


@apply.register
def _reopen_consultation(change: consultation_changes.ReopenConsultation, writer: Writer) -> None:
    consultation = change.consultation
    values = {"exclusive": consultation.exclusive, "visit_day": consultation.day, **_timer_columns(consultation)}
    past = writer.entry.past
    assert past is not None
    assert past.ended_at is not None, "the decision reopens what has ended"
    writer.reopen_tracking(consultation.id, past.ended_at, **values)
    writer.write_appointment_status(consultation.appointment_id, AppointmentStatus.in_progress)


@apply.register
def _pause_consultation(change: consultation_changes.PauseConsultation, writer: Writer) -> None:
    pausing.pause_tracking(change, writer)


@apply.register
def _resume_consultation(change: consultation_changes.ResumeConsultation, writer: Writer) -> None:
    pausing.resume_tracking(change, writer)


@apply.register
def _transfer_consultation(change: consultation_changes.TransferConsultation, writer: Writer) -> None:
    transferring.transfer(change, writer)


@apply.register
def _note_call(change: changes.NoteCall, writer: Writer) -> None:
    calling.note_call(change, writer)


@apply.register
def _write_no_answers(change: changes.WriteNoAnswers, writer: Writer) -> None:
    calling.write_no_answers(change, writer)


@apply.register
def _postpone_reservation(change: line_changes.PostponeReservation, writer: Writer) -> None:
    calling.postpone_reservation(change, writer)


@apply.register
def _postpone_pause_limit(change: consultation_changes.PostponePauseLimit, writer: Writer) -> None:
    writer.update_tracking(PAUSED_CONSULTATION, change.consultation.id, abandon_at=change.consultation.abandon_at)


@apply.register
def _change_times(
    change: consultation_changes.PostponeConsultation | consultation_changes.RemindHolder, writer: Writer
) -> None:
    writer.update_tracking(RUNNING_CONSULTATION, change.consultation.id, **_timer_columns(change.consultation))


def _timer_columns(consultation: Consultation) -> dict[str, object]:
    return {
        "overdue_at": consultation.overdue_at,
        "remind_at": consultation.remind_at,
        "reminders": consultation.reminders,
        "abandon_at": consultation.abandon_at,
    }


@apply.register
def _carry_over(change: changes.CarryOver, writer: Writer) -> None:
    writer.carry_over(change.day)
    for tracking in change.pending:
        _set_not_seen_at(tracking, writer)


@apply.register
def _postpone_not_seen(change: changes.PostponeNotSeen, writer: Writer) -> None:
    _set_not_seen_at(change.tracking, writer)


def _set_not_seen_at(tracking: PendingTracking, writer: Writer) -> None:
    writer.update_tracking(PENDING_OF_APPOINTMENT, tracking.appointment_id, not_seen_at=tracking.not_seen_at)


@apply.register
def _open_tracking(change: changes.OpenTracking, writer: Writer) -> None:
    appointment = change.appointment
    is_return = change.arrived_at is not None
    _insert_pending(appointment, appointment.id, change.arrived_at or writer.at, writer, is_return=is_return)


@apply.register
def _add_walk_in(change: changes.AddWalkIn, writer: Writer) -> None:
    appointment = change.appointment
    insert_walk_in(writer.connection, appointment)
    writer.stored.rows.add_appointments([appointment])
    _insert_pending(appointment, appointment.id, writer.at, writer)


@apply.register
def _wait_again(change: consultation_changes.WaitAgain, writer: Writer) -> None:
    consultation = change.consultation
    _insert_pending(consultation, consultation.appointment_id, consultation.checked_in_at, writer)


def _insert_pending(
    source: Appointment | Consultation,
    appointment_id: int,
    arrived_at: datetime | None,
    writer: Writer,
    *,
    is_return: bool = False,
) -> None:
    """The patient waits for this appointment. `source` has its doctor and prestation."""
    writer.insert_pending(source, appointment_id, source.doctor_id, arrived_at)
    writer.write_appointment_status(appointment_id, AppointmentStatus.pending, is_return=is_return)


@apply.register
def _close_tracking(change: changes.CloseTracking, writer: Writer) -> None:
    writer.complete_tracking(PENDING_OF_APPOINTMENT, change.appointment_id, change.outcome)
    writer.write_appointment_status(
        change.appointment_id, change.status, sent_by_feed=change.sent_by_feed, cancel_reason=change.cancel_reason
    )


@apply.register
def _write_appointment_status(change: changes.WriteAppointmentStatus, writer: Writer) -> None:
    writer.write_appointment_status(change.appointment_id, change.status, cancel_reason=change.cancel_reason)


@apply.register
def _write_priority(change: changes.WritePriority, writer: Writer) -> None:
    writer.write_priority(change.appointment.id, change.priority)


@apply.register
def _rewrite_appointment(change: changes.RewriteAppointment, writer: Writer) -> None:
    rewrite_appointment(writer, change.appointment, change.new_fields, decided_here=change.decided_here)


@apply.register
def _join_line(change: line_changes.JoinLine, writer: Writer) -> None:
    writer.write_place(change.place)


@apply.register
def _leave_line(change: line_changes.LeaveLine, writer: Writer) -> None:
    writer.delete_place(change.place)


@apply.register
def _offer_patient(change: line_changes.OfferPatient, writer: Writer) -> None:
    if change.until is None:
        # A doctor who has paused has no place in the line for it, and is only notified.
        if change.consultation_id is None:
            writer.set_place(change.place)
        return
    # An offer that is made again replaces the one before it.
    writer.delete_reservation()
    place, day = change.place, writer.entry.day
    reservation = Reservation(
        doctor_id=place.doctor_id, appointment_id=place.appointment_id, day=day, until=change.until, since=writer.at
    )
    writer.reserve(reservation)


@apply.register
def _end_reservation(change: line_changes.EndReservation, writer: Writer) -> None:
    if not writer.delete_reservation():
        raise OvertakenError


@apply.register
def _move_down(change: line_changes.MoveDown, writer: Writer) -> None:
    writer.set_place(change.place)
    if change.next_place is not None:
        writer.set_place(change.next_place)


@apply.register
def _withdraw_offer(change: line_changes.WithdrawOffer, writer: Writer) -> None:
    writer.set_place(change.place)


@apply.register
def _retire_record(change: changes.RetireRecord, writer: Writer) -> None:
    merging.retire_record(change, writer)


@apply.register
def _restore_record(change: changes.RestoreRecord, writer: Writer) -> None:
    merging.restore_record(change, writer)


@apply.register
def _note_refusal(change: changes.NoteRefusal, writer: Writer) -> None:
    """A refused start changes no row. It has a timeline row and an answer, and an event if the patient is in consultation."""


@apply.register
def _note_rescue(change: changes.NoteRescue, writer: Writer) -> None:
    """A rescue changes no row. It has a timeline row."""
