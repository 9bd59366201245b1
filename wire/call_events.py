"""The events of tickets, of calls of a patient, and of calls that were not answered."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from patient_visit_engine.visit import changes, line_changes
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, ReservationKind
from patient_visit_engine.wire import event_bodies
from patient_visit_engine.wire.appointment_events import appointment_updated
from patient_visit_engine.wire.event_context import CONSULTATIONS, WALL, Event, EventContext
from patient_visit_engine.wire.event_names import PATIENT_CALLED, PATIENT_UPDATED
from patient_visit_engine.wire.line_events import about_doctor, reserved


def called(change: changes.NoteCall, context: EventContext) -> Iterator[Event]:
    doctor_id = change.appointment.doctor_id
    data: event_bodies.PatientCalled = {
        **about_doctor(doctor_id, f"Patient {context.patient_name} is called", context),
        "appointment_id": change.appointment.id,
        "room": context.room,
        "ticket": context.ticket,
        "until": to_rfc3339(change.until),
    }
    key = f"{change.appointment.id}/{context.decision_key}"
    yield context.new_event(PATIENT_CALLED, CONSULTATIONS, key, data)
    yield from _on_wall(change.until, key, context)
    if change.reservation is not None:
        yield reserved(doctor_id, change.reservation.until, context)


def reservation_postponed(change: line_changes.PostponeReservation, context: EventContext) -> Iterator[Event]:
    """A call that gets more time is a call again on the wall, because the screen has its earlier end."""
    reservation = change.reservation
    yield reserved(reservation.doctor_id, reservation.until, context)
    if reservation.kind is ReservationKind.called:
        yield from _on_wall(reservation.until, f"{reservation.appointment_id}/{context.decision_key}", context)


def _on_wall(until: datetime, key: str, context: EventContext) -> Iterator[Event]:
    if (ticket := context.ticket) is None:
        return
    where = "" if context.room is None else f", room {context.room}"
    data: event_bodies.TicketCalled = {
        "ticket": ticket,
        "room": context.room,
        "until": to_rfc3339(until),
        "message": f"Ticket {ticket}{where}",
        "timestamp": to_rfc3339(context.at),
    }
    yield replace(context.new_event(PATIENT_CALLED, WALL, f"{key}/wall", data), patient_id=None)


def carried_over(_change: changes.CarryOver, context: EventContext) -> Iterator[Event]:
    if context.ticket is not None and context.ticket_is_new:
        data: event_bodies.TicketGiven = {
            **context.about_patient(f"Patient {context.patient_name} has ticket {context.ticket}"),
            "ticket": context.ticket,
        }
        yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/ticket", data)


def no_answers_written(change: changes.WriteNoAnswers, context: EventContext) -> Iterator[Event]:
    appointment = change.appointment
    status = appointment.status
    if not change.no_answers and status in BEFORE_ARRIVAL:
        # The check-in of the same decision has the event.
        return
    event = appointment_updated(appointment.id, status, context)
    yield replace(event, data={**event.data, "no_answers": change.no_answers})
