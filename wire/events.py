"""The events of each change: name, channel and data. The ledger writes them in the transaction of the change."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import singledispatch
from typing import Literal

from patient_visit_engine.visit import changes
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import (
    BEFORE_ARRIVAL,
    AppointmentStatus,
    CancelReason,
    Outcome,
    ReservationKind,
)
from patient_visit_engine.visit.refusals import PatientInConsultation
from patient_visit_engine.wire import event_bodies
from patient_visit_engine.wire.event_context import CONSULTATIONS, WALL, Event, EventContext, doctor_channel
from patient_visit_engine.wire.field_types import status_name

STARTED = "consultation.started"
BLOCKED = "consultation.blocked"
COMPLETED = "consultation.completed"
REOPENED = "consultation.reopened"
PAUSED = "consultation.paused"
RESUMED = "consultation.resumed"
TRANSFERRED = "consultation.transferred"
AVAILABLE = "consultation.available"
WAITING_ENDED = "waiting.ended"
OVERDUE = "consultation.overdue"
#: A supervisor or the time limit ended the consultation. The name is stored, so it stays the same for both.
RELEASED = "consultation.released"
APPOINTMENT_UPDATED = "appointment.updated"
PATIENT_UPDATED = "patient.updated"
PATIENT_CALLED = "patient.called"
DOCTOR_UPDATED = "doctor.updated"
PRESTATION_UPDATED = "prestation.updated"
PATIENT_MERGED = "patient.merged"
PATIENT_SEPARATED = "patient.separated"

#: The doctor in line learns why the place is gone without a start. Who leaves the line knows it.
ENDED_WAITING_BECAUSE: dict[str, Literal["missed", "moved", "cancelled", "left"]] = {
    "passed": "missed",
    "canceled": "cancelled",
    "checked_out": "left",
    "moved": "moved",
}
#: Texts for a consultation that its doctor did not complete.
ENDED_FOR_DOCTOR_BECAUSE = {
    Outcome.released: "was released by a supervisor",
    Outcome.timed_out: "was closed: its time had run out",
}


@singledispatch
def events_of(change: changes.Change, context: EventContext) -> Iterator[Event]:
    """The events of `change`, in the order in which they are appended to the log."""
    raise TypeError(f"no events are defined for {type(change).__name__}")


@events_of.register
def _opened(change: changes.OpenConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    doctor = context.doctors[consultation.doctor_id]
    message = f"Patient {context.patient_name} is now in consultation with {doctor}"
    data = context.about_consultation(consultation, message)
    yield context.new_event(STARTED, CONSULTATIONS, consultation.id, data, consultation.id)


@events_of.register
def _consultation_ended(change: changes.EndConsultation, context: EventContext) -> Iterator[Event]:
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
    if (because := ENDED_FOR_DOCTOR_BECAUSE.get(change.outcome)) is not None:
        is_released = change.outcome is Outcome.released
        private: event_bodies.ConsultationReleased = {
            **data,
            "message": f"Your consultation with patient {context.patient_name} {because}",
            "by_name": context.caller_name if is_released else None,
            "reason": context.reason if is_released else None,
        }
        channel = doctor_channel(consultation.doctor_id)
        yield context.new_event(RELEASED, channel, key, private, consultation.id)


@events_of.register
def _reopened(change: changes.ReopenConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    data = context.about_consultation(consultation, f"Patient {context.patient_name} is in consultation again")
    key = f"{consultation.id}/{context.decision_key}"
    yield context.new_event(REOPENED, CONSULTATIONS, key, data, consultation.id)
    yield appointment_updated(consultation.appointment_id, AppointmentStatus.in_progress, context)


@events_of.register
def _paused(change: changes.PauseConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    data: event_bodies.ConsultationPause = {
        **context.about_consultation(consultation, f"Patient {context.patient_name} consultation paused"),
        "paused_at": to_rfc3339(consultation.paused_at or context.at),
    }
    key = f"{consultation.id}/{context.decision_key}"
    yield context.new_event(PAUSED, CONSULTATIONS, key, data, consultation.id)


@events_of.register
def _resumed(change: changes.ResumeConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    doctor = context.doctors[consultation.doctor_id]
    message = f"Patient {context.patient_name} is again in consultation with {doctor}"
    data = context.about_consultation(consultation, message)
    key = f"{consultation.id}/{context.decision_key}"
    yield context.new_event(RESUMED, CONSULTATIONS, key, data, consultation.id)


@events_of.register
def _transferred(change: changes.TransferConsultation, context: EventContext) -> Iterator[Event]:
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
        yield _reserved(receiver, reservation.until, context)
    elif change.place is not None:
        line = _about_doctor(receiver, f"A doctor waits first for patient {context.patient_name}", context)
        yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/first/{receiver}", line)


@events_of.register
def _called(change: changes.NoteCall, context: EventContext) -> Iterator[Event]:
    doctor_id = change.appointment.doctor_id
    data: event_bodies.PatientCalled = {
        **_about_doctor(doctor_id, f"Patient {context.patient_name} is called", context),
        "appointment_id": change.appointment.id,
        "room": context.room,
        "ticket": context.ticket,
        "until": to_rfc3339(change.until),
    }
    key = f"{change.appointment.id}/{context.decision_key}"
    yield context.new_event(PATIENT_CALLED, CONSULTATIONS, key, data)
    if context.ticket is not None:
        yield replace(
            context.new_event(PATIENT_CALLED, WALL, f"{key}/wall", _ticket_called(context.ticket, context)),
            patient_id=None,
        )
    if change.reservation is not None:
        yield _reserved(doctor_id, change.reservation.until, context)


def _ticket_called(ticket: str, context: EventContext) -> event_bodies.TicketCalled:
    where = "" if context.room is None else f", room {context.room}"
    return {
        "ticket": ticket,
        "room": context.room,
        "message": f"Ticket {ticket}{where}",
        "timestamp": to_rfc3339(context.at),
    }


@events_of.register
def _no_answers_written(change: changes.WriteNoAnswers, context: EventContext) -> Iterator[Event]:
    appointment = change.appointment
    status = appointment.status
    if not change.no_answers and status in BEFORE_ARRIVAL:
        # The check-in of the same decision has the event.
        return
    event = appointment_updated(appointment.id, status, context)
    yield replace(event, data={**event.data, "no_answers": change.no_answers})


@events_of.register
def _reservation_postponed(change: changes.PostponeReservation, context: EventContext) -> Iterator[Event]:
    yield _reserved(change.reservation.doctor_id, change.reservation.until, context)


@events_of.register
def _extended(change: changes.PostponeConsultation, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    data = context.about_consultation(consultation, f"Patient {context.patient_name} consultation extended")
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/extended", data, consultation.id)


@events_of.register
def _overdue(change: changes.RemindHolder, context: EventContext) -> Iterator[Event]:
    consultation = change.consultation
    message = f"Your consultation with patient {context.patient_name} is over its expected time"
    data: event_bodies.ConsultationOverdue = {
        **context.about_consultation(consultation, message),
        "overdue_minutes": int((context.at - consultation.overdue_at).total_seconds() // 60),
    }
    key = f"{consultation.id}/{consultation.reminders}"
    yield context.new_event(OVERDUE, doctor_channel(consultation.doctor_id), key, data, consultation.id)


@events_of.register
def _without_event(
    change: changes.CarryOver
    | changes.PostponeNotSeen
    | changes.PostponePauseLimit
    | changes.WithdrawOffer
    | changes.NoteRescue,
    context: EventContext,
) -> Iterator[Event]:
    yield from ()


@events_of.register
def _checked_in(change: changes.OpenTracking, context: EventContext) -> Iterator[Event]:
    yield appointment_updated(change.appointment.id, AppointmentStatus.pending, context)


@events_of.register
def _walked_in(change: changes.AddWalkIn, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment.id, AppointmentStatus.pending, context)
    priority = change.appointment.priority
    yield event if priority is None else replace(event, data={**event.data, "priority": priority})


@events_of.register
def _tracking_closed(change: changes.CloseTracking, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment_id, change.status, context, change.outcome)
    yield _with_cancel_reason(event, change.cancel_reason)


@events_of.register
def _waits_again(change: changes.WaitAgain, context: EventContext) -> Iterator[Event]:
    yield appointment_updated(change.consultation.appointment_id, AppointmentStatus.pending, context)


@events_of.register
def _status_written(change: changes.WriteAppointmentStatus, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment_id, change.status, context)
    yield _with_cancel_reason(event, change.cancel_reason)


def _with_cancel_reason(event: Event, reason: CancelReason | None) -> Event:
    return event if reason is None else replace(event, data={**event.data, "cancel_reason": reason})


@events_of.register
def _priority_written(change: changes.WritePriority, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment.id, change.appointment.status, context)
    yield replace(event, data={**event.data, "priority": change.priority})


@events_of.register
def _rewritten(change: changes.RewriteAppointment, context: EventContext) -> Iterator[Event]:
    before, after = change.appointment, change.appointment.changed(change.new_fields)
    if (before.patient_id, before.doctor_id) != (after.patient_id, after.doctor_id):
        # The lists that have shown the appointment until now.
        former = replace(context, cause=f"{context.cause}/moved", doctor_of={before.id: before.doctor_id})
        yield appointment_updated(before.id, after.status, former)
    present = replace(
        context,
        patient_id=after.patient_id,
        patient=context.other_patients.get(after.patient_id, context.patient),
        doctor_of={before.id: after.doctor_id},
    )
    yield appointment_updated(before.id, after.status, present)


def appointment_updated(
    appointment_id: int, status: AppointmentStatus, context: EventContext, outcome: Outcome | None = None
) -> Event:
    """`appointment.updated`: the appointment has this status now, and its tracking ended with `outcome`, if it did."""
    data: event_bodies.AppointmentUpdated = {
        "patient_id": context.patient_id,
        "patient_name": context.patient_name,
        "birth_date": context.patient.birth_date,
        "record_number": context.patient.record_number,
        "message": f"Patient {context.patient_name} appointment updated",
        "timestamp": to_rfc3339(context.at),
        "appointment_id": appointment_id,
        "status": status_name(status),
        "status_code": status,
    }
    if outcome is not None:
        data["outcome"] = outcome
    if appointment_id in context.doctor_of:
        data["doctor_id"] = context.doctor_of[appointment_id]
    key = f"{appointment_id}/{context.decision_key}/{status.name}"
    return context.new_event(APPOINTMENT_UPDATED, CONSULTATIONS, key, data)


@events_of.register
def _joined_line(change: changes.JoinLine, context: EventContext) -> Iterator[Event]:
    doctor_id = change.place.doctor_id
    data = _about_doctor(doctor_id, f"A doctor waits for patient {context.patient_name}", context)
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/joined/{doctor_id}", data)


@events_of.register
def _left_line(change: changes.LeaveLine, context: EventContext) -> Iterator[Event]:
    place = change.place
    message = f"The line for patient {context.patient_name} is shorter"
    data: event_bodies.LineLeft = {**_about_doctor(place.doctor_id, message, context), "why": change.why}
    key = f"{context.decision_key}/left/{place.doctor_id}"
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, key, data)
    if (reason := ENDED_WAITING_BECAUSE.get(change.why)) is not None:
        ended: event_bodies.WaitingEnded = {
            **context.about_patient(f"Your place in line for patient {context.patient_name} has ended"),
            "doctor_id": place.doctor_id,
            "appointment_id": place.appointment_id,
            "reason": reason,
        }
        yield context.new_event(WAITING_ENDED, doctor_channel(place.doctor_id), key, ended)


@events_of.register
def _reservation_ended(change: changes.EndReservation, context: EventContext) -> Iterator[Event]:
    """Other changes of the same decision have events, except when a doctor without a place in line has not used it or lost it."""
    is_without_place = change.reservation.kind is not ReservationKind.offered or change.consultation_id is not None
    if change.why not in ("expired", "no_answer", "withdrawn") or not is_without_place:
        return
    doctor_id = change.reservation.doctor_id
    message = f"Patient {context.patient_name} is no longer reserved"
    data: event_bodies.LineLeft = {**_about_doctor(doctor_id, message, context), "why": change.why}
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/{change.why}/{doctor_id}", data)


@events_of.register
def _moved_down(change: changes.MoveDown, context: EventContext) -> Iterator[Event]:
    doctor_id = change.place.doctor_id
    message = f"The line for patient {context.patient_name} has a new order"
    data: event_bodies.LineLeft = {**_about_doctor(doctor_id, message, context), "why": "moved_down"}
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/moved_down/{doctor_id}", data)


@events_of.register
def _offered(change: changes.OfferPatient, context: EventContext) -> Iterator[Event]:
    place = change.place
    # With VISIT_OFFER_SECONDS=0 nothing is reserved: all waiting doctors get the event, and the first to start wins.
    until = None if change.until is None else to_rfc3339(change.until)
    data: event_bodies.ConsultationAvailable = {
        **context.about_patient(f"Patient {context.patient_name} is free for you"),
        "doctor_id": place.doctor_id,
        "appointment_id": place.appointment_id,
        "offer_until": until,
    }
    channel = doctor_channel(place.doctor_id)
    # A doctor who has paused can also be in the line, and is notified of both with VISIT_OFFER_SECONDS=0.
    key = f"{place.doctor_id}/{context.decision_key}"
    key = key if change.consultation_id is None else f"{key}/{change.consultation_id}"
    yield context.new_event(AVAILABLE, channel, key, data)
    if change.until is not None:
        yield _reserved(place.doctor_id, change.until, context)


def _reserved(doctor_id: int, until: datetime, context: EventContext) -> Event:
    message = f"Patient {context.patient_name} is reserved"
    data: event_bodies.PatientReservedUpdate = {
        **_about_doctor(doctor_id, message, context),
        "offer_until": to_rfc3339(until),
    }
    return context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/reserved/{doctor_id}", data)


@events_of.register
def _merged(change: changes.RetireRecord, context: EventContext) -> Iterator[Event]:
    data: event_bodies.PatientMerged = {
        **context.about_patient(f"Record {change.retired_id} was merged into patient {context.patient_name}"),
        "retired": list(change.record_ids),
        "both_in_consultation": change.both_in_consultation,
    }
    yield context.new_event(PATIENT_MERGED, CONSULTATIONS, f"{context.decision_key}/{change.retired_id}", data)


@events_of.register
def _separated(change: changes.RestoreRecord, context: EventContext) -> Iterator[Event]:
    data: event_bodies.PatientSeparated = {
        **context.about_patient(f"Record {change.restored_id} was separated from patient {context.patient_name}"),
        "separated_id": change.restored_id,
        "retired": list(change.record_ids),
    }
    yield context.new_event(PATIENT_SEPARATED, CONSULTATIONS, f"{context.decision_key}/{change.restored_id}", data)


def _about_doctor(doctor_id: int, message: str, context: EventContext) -> event_bodies.LineJoined:
    return {
        **context.about_patient(message),
        "doctor_id": doctor_id,
        "doctor_name": context.doctors[doctor_id],
    }


@events_of.register
def _refused(change: changes.NoteRefusal, context: EventContext) -> Iterator[Event]:
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
