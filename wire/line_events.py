"""The events of changes to the waiting line and to a patient's reservation."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from patient_visit_engine.visit import line_changes
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.wire import event_bodies
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event, EventContext, doctor_channel
from patient_visit_engine.wire.event_names import AVAILABLE, PATIENT_UPDATED, WAITING_ENDED

#: The doctor in line learns why the place is gone without a start. Who leaves the line knows it.
ENDED_WAITING_BECAUSE: dict[str, Literal["missed", "moved", "cancelled", "left"]] = {
    "passed": "missed",
    "canceled": "cancelled",
    "checked_out": "left",
    "moved": "moved",
}


def joined_line(change: line_changes.JoinLine, context: EventContext) -> Iterator[Event]:
    doctor_id = change.place.doctor_id
    data = about_doctor(doctor_id, f"A doctor waits for patient {context.patient_name}", context)
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/joined/{doctor_id}", data)


def left_line(change: line_changes.LeaveLine, context: EventContext) -> Iterator[Event]:
    place = change.place
    message = f"The line for patient {context.patient_name} is shorter"
    data: event_bodies.LineLeft = {**about_doctor(place.doctor_id, message, context), "why": change.why}
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


def reservation_ended(change: line_changes.EndReservation, context: EventContext) -> Iterator[Event]:
    """Other changes of the same decision have events, except when a doctor without a place in line has not used it or lost it."""
    is_without_place = change.reservation.kind is not ReservationKind.offered or change.consultation_id is not None
    if change.why not in ("expired", "no_answer", "withdrawn") or not is_without_place:
        return
    doctor_id = change.reservation.doctor_id
    message = f"Patient {context.patient_name} is no longer reserved"
    data: event_bodies.LineLeft = {**about_doctor(doctor_id, message, context), "why": change.why}
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/{change.why}/{doctor_id}", data)


def moved_down(change: line_changes.MoveDown, context: EventContext) -> Iterator[Event]:
    doctor_id = change.place.doctor_id
    message = f"The line for patient {context.patient_name} has a new order"
    data: event_bodies.LineLeft = {**about_doctor(doctor_id, message, context), "why": "moved_down"}
    yield context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/moved_down/{doctor_id}", data)


def offered(change: line_changes.OfferPatient, context: EventContext) -> Iterator[Event]:
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
        yield reserved(place.doctor_id, change.until, context)


def reserved(doctor_id: int, until: datetime, context: EventContext) -> Event:
    message = f"Patient {context.patient_name} is reserved"
    data: event_bodies.PatientReservedUpdate = {
        **about_doctor(doctor_id, message, context),
        "offer_until": to_rfc3339(until),
    }
    return context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{context.decision_key}/reserved/{doctor_id}", data)


def about_doctor(doctor_id: int, message: str, context: EventContext) -> event_bodies.LineJoined:
    return {
        **context.about_patient(message),
        "doctor_id": doctor_id,
        "doctor_name": context.doctors[doctor_id],
    }
