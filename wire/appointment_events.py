"""The events of changes to an appointment: arrivals, status, priority and other fields."""

from collections.abc import Iterator
from dataclasses import replace

from patient_visit_engine.visit import changes, consultation_changes
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Outcome
from patient_visit_engine.wire import event_bodies
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event, EventContext
from patient_visit_engine.wire.event_names import APPOINTMENT_UPDATED
from patient_visit_engine.wire.field_types import status_name


def checked_in(change: changes.OpenTracking, context: EventContext) -> Iterator[Event]:
    yield appointment_updated(change.appointment.id, AppointmentStatus.pending, context)


def walked_in(change: changes.AddWalkIn, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment.id, AppointmentStatus.pending, context)
    priority = change.appointment.priority
    yield event if priority is None else replace(event, data={**event.data, "priority": priority})


def tracking_closed(change: changes.CloseTracking, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment_id, change.status, context, change.outcome)
    yield _with_cancel_reason(event, change.cancel_reason)


def waits_again(change: consultation_changes.WaitAgain, context: EventContext) -> Iterator[Event]:
    yield appointment_updated(change.consultation.appointment_id, AppointmentStatus.pending, context)


def status_written(change: changes.WriteAppointmentStatus, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment_id, change.status, context)
    yield _with_cancel_reason(event, change.cancel_reason)


def _with_cancel_reason(event: Event, reason: CancelReason | None) -> Event:
    return event if reason is None else replace(event, data={**event.data, "cancel_reason": reason})


def priority_written(change: changes.WritePriority, context: EventContext) -> Iterator[Event]:
    event = appointment_updated(change.appointment.id, change.appointment.status, context)
    yield replace(event, data={**event.data, "priority": change.priority})


def rewritten(change: changes.RewriteAppointment, context: EventContext) -> Iterator[Event]:
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
        "family_name": context.patient.family_name,
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
