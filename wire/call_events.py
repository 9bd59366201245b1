"""The events of tickets, of calls of a patient, and of calls that were not answered."""

from collections.abc import Iterator
from dataclasses import replace

from patient_visit_engine.visit import changes
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL
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
    if context.ticket is not None:
        yield replace(
            context.new_event(PATIENT_CALLED, WALL, f"{key}/wall", _ticket_called(context.ticket, change, context)),
            patient_id=None,
        )
    if change.reservation is not None:
        yield reserved(doctor_id, change.reservation.until, context)


def _ticket_called(ticket: str, call: changes.NoteCall, context: EventContext) -> event_bodies.TicketCalled:
    where = "" if context.room is None else f", room {context.room}"
    return {
        "ticket": ticket,
        "room": context.room,
        "until": to_rfc3339(call.until),
        "message": f"Ticket {ticket}{where}",
        "timestamp": to_rfc3339(context.at),
    }


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
