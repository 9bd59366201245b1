"""Reopening a consultation that was completed by mistake."""

from datetime import datetime, timedelta

from patient_visit_engine.visit.asking import asked_at
from patient_visit_engine.visit.changes import Change, NoteRefusal
from patient_visit_engine.visit.codes import Outcome, ReservationKind
from patient_visit_engine.visit.consultation_changes import ReopenConsultation
from patient_visit_engine.visit.consultation_commands import Reopen
from patient_visit_engine.visit.decisions import ConsultationAnswer, ConsultationEndedAnswer, Refused, Verdict
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.line_changes import EndReservation, JoinLine, WithdrawOffer
from patient_visit_engine.visit.refusals import NotYours, PatientInConsultation, TooLate
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.undoing import UNDO_WITHIN
from patient_visit_engine.visit.waiting_line import first_place

#: How long a reopened consultation is expected to go on, at least.
REOPENED_FOR = timedelta(minutes=15)


def reopen(command: Reopen, state: VisitState, now: datetime) -> Verdict:
    """Continue the consultation. It is refused like a start while the patient is in another exclusive one."""
    appointment, past = command.appointment, command.past
    running = state.consultation(command.consultation_id)
    if command.doctor_id not in {None, (running or appointment).doctor_id}:
        return Refused(refusal=NotYours()), ()
    if running is not None:
        return ConsultationAnswer(consultation=running), ()
    is_done = past.outcome is Outcome.done and past.consultation_id == command.consultation_id
    if not is_done or past.ended_at is None:
        return ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=None), ()
    if _is_too_late(command, past.ended_at, state, now):
        return Refused(refusal=TooLate()), ()
    holder = state.holder_for(appointment.doctor_id) if appointment.exclusive else None
    if holder is not None:
        refusal = PatientInConsultation(holder=holder, is_own=holder.doctor_id == command.doctor_id, can_wait=False)
        # The doctor is notified who asked. A supervisor has the answer.
        noted = () if command.doctor_id is None else (NoteRefusal(appointment=appointment, refusal=refusal),)
        return Refused(refusal=refusal), noted
    consultation = _reopened(command, state, now)
    withdrawn = _withdraw_offers(state) if appointment.exclusive else ()
    return ConsultationAnswer(consultation=consultation), (ReopenConsultation(consultation=consultation), *withdrawn)


def _is_too_late(command: Reopen, ended_at: datetime, state: VisitState, now: datetime) -> bool:
    sent_at = asked_at(command.request, now)
    if command.doctor_id is not None:
        return sent_at - ended_at > UNDO_WITHIN
    return not state.is_same_day(ended_at, sent_at)


def _reopened(command: Reopen, state: VisitState, now: datetime) -> Consultation:
    appointment, past = command.appointment, command.past
    expected_end = max(past.overdue_at or now, now + REOPENED_FOR)
    return Consultation(
        id=command.consultation_id,
        patient_id=appointment.patient_id,
        doctor_id=appointment.doctor_id,
        appointment_id=appointment.id,
        prestation_id=appointment.prestation_id,
        exclusive=appointment.exclusive,
        day=state.day,
        started_at=past.started_at or now,
        overdue_at=expected_end,
        remind_at=expected_end,
        # They go on, because each reminder is an event with its number.
        reminders=past.reminders,
        abandon_at=expected_end + state.limits.abandon_after,
        checked_in_at=past.check_in_time if past.was_checked_in else None,
    )


def _withdraw_offers(state: VisitState) -> tuple[Change, ...]:
    """The patient is no longer free. The doctors in line keep their places.

    A doctor for whom the patient was reserved by a transfer or a call gets the first one.
    """
    reservation = state.facts.reservation
    ended = () if reservation is None else (EndReservation(reservation=reservation, why="withdrawn"),)
    joined: tuple[JoinLine, ...] = ()
    if reservation is not None and reservation.kind is not ReservationKind.offered:
        place = first_place(state, reservation.doctor_id, reservation.appointment_id, reservation.since)
        joined = (JoinLine(place=place.model_copy(update={"notified_at": None})),)
    first = {change.place.doctor_id for change in joined}
    notified = (place for place in state.line() if place.notified_at is not None and place.doctor_id not in first)
    withdrawn = (WithdrawOffer(place=place.model_copy(update={"notified_at": None})) for place in notified)
    return *ended, *joined, *withdrawn
