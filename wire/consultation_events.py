"""The events of changes to a consultation, and of a refused start."""

from collections.abc import Iterator
from dataclasses import replace

from patient_visit_engine.visit import changes, consultation_changes
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.refusals import PatientInConsultation
from patient_visit_engine.wire import event_bodies
from patient_visit_engine.wire.appointment_events import appointment_updated
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event, EventContext, doctor_channel
from patient_visit_engine.wire.event_names import (
    BLOCKED,
    COMPLETED,
    OVERDUE,
    PATIENT_UPDATED,
    PAUSED,
    RELEASED,
    REOPENED,
    RESUMED,
    STARTED,
    TRANSFERRED,
)
from patient_visit_engine.wire.line_events import about_doctor, reserved

#: Texts for a consultation that its doctor did not end.
ENDED_FOR_DOCTOR_BECAUSE = {
    Outcome.released: "was released by a supervisor",
    Outcome.timed_out: "was closed: its time had run out",
    Outcome.mistaken: "was taken back by a supervisor",
    Outcome.transferred: "was transferred by a supervisor",
}


def opened(change: consultation_changes.OpenConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    doctor = context.doctors[consultation.doctor_id]
    message = f"Patient {context.patient_name} is now in consultation with {doctor}"
    data = context.about_consultation(consultation, message)
    yield context.new_event(STARTED, CONSULTATIONS, consultation.id, data, consultation.id)


def ended(change: consultation_changes.EndConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    data: event_bodies.ConsultationCompleted = {
        **context.about_consultation(consultation, f"Patient {context.patient_name} consultation completed"),
        "outcome": change.outcome,
        "completed_at": to_rfc3339(context.at),
    }
    # A reopened consultation ends more than once.
    changed_at = consultation.changed_at
    key = consultation.id if changed_at is None else f"{consultation.id}/{to_rfc3339(changed_at)}"
    yield context.new_event(COMPLETED, CONSULTATIONS, key, data, consultation.id)
    is_timeout, is_released = change.outcome is Outcome.timed_out, change.outcome is Outcome.released
    if is_timeout or is_released or change.by_supervisor:
        because = ENDED_FOR_DOCTOR_BECAUSE[change.outcome]
        private: event_bodies.ConsultationReleased = {
            **data,
            "message": f"Your consultation with patient {context.patient_name} {because}",
            "by_name": None if is_timeout else context.caller_name,
            "reason": None if is_timeout else context.reason,
        }
        channel = doctor_channel(consultation.doctor_id)
        yield context.new_event(RELEASED, channel, key, private, consultation.id)


def reopened(change: consultation_changes.ReopenConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    data = context.about_consultation(consultation, f"Patient {context.patient_name} is in consultation again")
    key = f"{consultation.id}/{context.decision_key}"
    yield context.new_event(REOPENED, CONSULTATIONS, key, data, consultation.id)
    yield appointment_updated(consultation.appointment_id, AppointmentStatus.in_progress, context)


def paused(change: consultation_changes.PauseConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    data: event_bodies.ConsultationPause = {
        **context.about_consultation(consultation, f"Patient {context.patient_name} consultation paused"),
        "paused_at": to_rfc3339(consultation.paused_at or context.at),
    }
    key = f"{consultation.id}/{context.decision_key}"
    yield context.new_event(PAUSED, CONSULTATIONS, key, data, consultation.id)


def resumed(change: consultation_changes.ResumeConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    doctor = context.doctors[consultation.doctor_id]
    message = f"Patient {context.patient_name} is again in consultation with {doctor}"
    data = context.about_consultation(consultation, message)
    key = f"{consultation.id}/{context.decision_key}"
    yield context.new_event(RESUMED, CONSULTATIONS, key, data, consultation.id)


def transferred(change: consultation_changes.TransferConsultation, context: EventContext) -> Iterator[Event]:
    consultation, receiver = change.consultation, change.to_doctor_id
    appointment_id, reservation = consultation.appointment_id, change.reservation
    message = f"Patient {context.patient_name} was transferred to {context.doctors[receiver]}"
    data: event_bodies.ConsultationTransferred = {
        **context.about_consultation(consultation, message),
        "to_doctor_id": receiver,
        "to_doctor_name": context.doctors[receiver],
        "reserved_until": None if reservation is None else to_rfc3339(reservation.until),
    }
    yield context.new_event(TRANSFERRED, CONSULTATIONS, consultation.id, data, consultation.id)
    # The list that has shown the appointment until now.
    moved, former_doctor = f"{context.cause}/moved", {appointment_id: consultation.doctor_id}
    former = replace(context, cause=moved, doctor_of=former_doctor)
    yield appointment_updated(appointment_id, AppointmentStatus.pending, former)
    present = replace(context, doctor_of={appointment_id: receiver})
    yield appointment_updated(appointment_id, AppointmentStatus.pending, present)
    if reservation is not None:
        yield reserved(receiver, reservation.until, context)
    elif change.place is not None:
        line = about_doctor(receiver, f"A doctor waits first for patient {context.patient_name}", context)
        yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/first/{receiver}", line)


def extended(change: consultation_changes.PostponeConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    data = context.about_consultation(consultation, f"Patient {context.patient_name} consultation extended")
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/extended", data, consultation.id)


def overdue(change: consultation_changes.RemindHolder, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    message = f"Your consultation with patient {context.patient_name} is over its expected time"
    data: event_bodies.ConsultationOverdue = {
        **context.about_consultation(consultation, message),
        "overdue_minutes": int((context.at - consultation.overdue_at).total_seconds() // 60),
    }
    key = f"{consultation.id}/{consultation.reminders}"
    yield context.new_event(OVERDUE, doctor_channel(consultation.doctor_id), key, data, consultation.id)


def refused(change: changes.NoteRefusal, context: EventContext) -> Iterator[Event]:
    if not isinstance(change.refusal, PatientInConsultation):
        return
    holder = change.refusal.holder
    doctor = context.doctors[holder.doctor_id]
    message = f"Patient {context.patient_name} is currently in consultation with {doctor}"
    if change.refusal.is_own:
        message = f"You are still in consultation with {context.patient_name}"
    data: event_bodies.ConsultationBlocked = {
        **context.about_patient(message),
        "active_doctor_id": holder.doctor_id,
        "active_doctor_name": doctor,
        "prestation": context.prestations[holder.prestation_id],
        "consultation_id": holder.id,
        "started_at": to_rfc3339(holder.started_at),
        "appointment_id": change.appointment.id,
        "request_id": context.cause,
    }
    yield context.new_event(BLOCKED, doctor_channel(change.appointment.doctor_id), context.decision_key, data)
