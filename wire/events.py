"""What each change tells the browsers, as `data` of the stream's events; pure, it must not know the log, SQL or HTTP."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import singledispatch
from typing import Any

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
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
from patient_visit_engine.visit.refusals import PatientInConsultation
from patient_visit_engine.visit.state import Consultation

CONSULTATIONS = "consultations"

STARTED = "consultation.started"
BLOCKED = "consultation.blocked"
COMPLETED = "consultation.completed"
AVAILABLE = "consultation.available"
OVERDUE = "consultation.overdue"
RELEASED = "consultation.released"
APPOINTMENT_UPDATED = "appointment.updated"
PATIENT_UPDATED = "patient.updated"


def doctor_channel(doctor_id: int) -> str:
    """The private channel of one doctor."""
    return f"doctor.{doctor_id}"


@dataclass(frozen=True)
class Event:
    """One event to be appended to the log; `dedup_key` names the logical step, never the attempt at it."""

    name: str
    channel: str
    dedup_key: str
    data: dict[str, Any]
    patient_id: int
    consultation_id: str | None = None


@dataclass(frozen=True)
class EventContext:
    """What the words of an event need besides the change: names, the moment, and the request or step that caused it."""

    patient_id: int
    patient: str
    doctors: Mapping[int, str]
    prestations: Mapping[int, str]
    at: datetime
    cause: str
    #: Whose the appointments are that are known here: a list of another doctor need not look for them.
    doctor_of: Mapping[int, int] = field(default_factory=dict)

    def about_patient(self, message: str) -> dict[str, Any]:
        return {
            "patient_id": self.patient_id,
            "patient_name": self.patient,
            "message": message,
            "timestamp": to_rfc3339(self.at),
        }

    def about(self, consultation: Consultation, message: str) -> dict[str, Any]:
        return self.about_patient(message) | {
            "doctor_id": consultation.doctor_id,
            "doctor_name": self.doctors[consultation.doctor_id],
            "appointment_id": consultation.appointment_id,
            "consultation_id": consultation.id,
            "prestation_id": consultation.prestation_id,
            "prestation": self.prestations[consultation.prestation_id],
            "exclusive": consultation.exclusive,
            "started_at": to_rfc3339(consultation.started_at),
            "overdue_at": to_rfc3339(consultation.overdue_at),
        }

    def event(
        self, name: str, channel: str, step: str, data: dict[str, Any], consultation_id: str | None = None
    ) -> Event:
        return Event(name, channel, f"{name}/{step}", data, self.patient_id, consultation_id)


@singledispatch
def events_of(change: Change, telling: EventContext) -> Iterator[Event]:
    """The events that tell of `change`, in the order in which they go to the log."""
    raise TypeError(f"nothing is told of {type(change).__name__}")


@events_of.register
def _started(change: OpenConsultation, telling: EventContext) -> Iterator[Event]:
    begun = change.consultation
    doctor = telling.doctors[begun.doctor_id]
    data = telling.about(begun, f"Patient {telling.patient} is now in consultation with {doctor}")
    yield telling.event(STARTED, CONSULTATIONS, begun.id, data, begun.id)


@events_of.register
def _ended(change: EndConsultation, telling: EventContext) -> Iterator[Event]:
    ended = change.consultation
    data = telling.about(ended, f"Patient {telling.patient} consultation completed")
    data |= {"outcome": change.outcome.value, "completed_at": to_rfc3339(telling.at)}
    yield telling.event(COMPLETED, CONSULTATIONS, ended.id, data, ended.id)
    if change.outcome in (Outcome.released, Outcome.timed_out):
        why = (
            "was released by a supervisor" if change.outcome is Outcome.released else "was closed: its time had run out"
        )
        private = data | {"message": f"Your consultation with patient {telling.patient} {why}"}
        yield telling.event(RELEASED, doctor_channel(ended.doctor_id), ended.id, private, ended.id)


@events_of.register
def _postponed(change: PostponeConsultation, telling: EventContext) -> Iterator[Event]:
    data = telling.about(change.consultation, f"Patient {telling.patient} consultation extended")
    yield telling.event(PATIENT_UPDATED, CONSULTATIONS, f"{telling.cause}/extended", data, change.consultation.id)


@events_of.register
def _overdue(change: RemindHolder, telling: EventContext) -> Iterator[Event]:
    late = change.consultation
    minutes = int((telling.at - late.overdue_at).total_seconds() // 60)
    data = telling.about(late, f"Your consultation with patient {telling.patient} is over its expected time")
    data["overdue_minutes"] = minutes
    yield telling.event(OVERDUE, doctor_channel(late.doctor_id), f"{late.id}/{late.reminders}", data, late.id)


@events_of.register
def _untold(change: AdoptConsultation | WithdrawOffer, telling: EventContext) -> Iterator[Event]:
    yield from ()


@events_of.register
def _checked_in(change: OpenTracking, telling: EventContext) -> Iterator[Event]:
    yield _appointment(change.appointment.id, AppointmentStatus.pending, telling)


@events_of.register
def _closed(change: CloseTracking, telling: EventContext) -> Iterator[Event]:
    yield _appointment(change.appointment_id, change.status, telling, outcome=change.outcome.value)


@events_of.register
def _status(change: WriteAppointmentStatus, telling: EventContext) -> Iterator[Event]:
    yield _appointment(change.appointment_id, change.status, telling)


def _appointment(appointment_id: int, status: AppointmentStatus, telling: EventContext, **more: str) -> Event:
    data = telling.about_patient(f"Patient {telling.patient} appointment updated")
    data |= {"appointment_id": appointment_id, "status": status.name, "status_code": status.value, **more}
    if appointment_id in telling.doctor_of:
        data["doctor_id"] = telling.doctor_of[appointment_id]
    return telling.event(APPOINTMENT_UPDATED, CONSULTATIONS, f"{appointment_id}/{telling.cause}/{status.name}", data)


@events_of.register
def _joined(change: JoinLine, telling: EventContext) -> Iterator[Event]:
    data = telling.about_patient(f"A doctor waits for patient {telling.patient}")
    data |= {"doctor_id": change.place.doctor_id, "doctor_name": telling.doctors[change.place.doctor_id]}
    yield telling.event(PATIENT_UPDATED, CONSULTATIONS, f"{telling.cause}/joined/{change.place.doctor_id}", data)


@events_of.register
def _left(change: LeaveLine, telling: EventContext) -> Iterator[Event]:
    data = telling.about_patient(f"The line for patient {telling.patient} is shorter")
    data |= {"doctor_id": change.place.doctor_id, "doctor_name": telling.doctors[change.place.doctor_id]}
    data["why"] = change.why
    # Around midnight a start can take one doctor out of two days' lines at once.
    step = f"{telling.cause}/left/{change.place.day.isoformat()}/{change.place.doctor_id}"
    yield telling.event(PATIENT_UPDATED, CONSULTATIONS, step, data)


@events_of.register
def _offered(change: OfferPatient, telling: EventContext) -> Iterator[Event]:
    place = change.place
    # With nothing reserved the offer lasts no time: all who wait are told, and the first to start wins.
    reserved_until = (
        place.offered_until if place.offered_until is not None and place.offered_until > telling.at else None
    )
    until = None if reserved_until is None else to_rfc3339(reserved_until)
    data = telling.about_patient(f"Patient {telling.patient} is free for you")
    data |= {"doctor_id": place.doctor_id, "appointment_id": place.appointment_id, "offer_until": until}
    step = f"{place.doctor_id}/{to_rfc3339(telling.at)}/{telling.cause}"
    yield telling.event(AVAILABLE, doctor_channel(place.doctor_id), step, data)
    if reserved_until is not None:
        reserved = telling.about_patient(f"Patient {telling.patient} is reserved")
        reserved |= {
            "doctor_id": place.doctor_id,
            "doctor_name": telling.doctors[place.doctor_id],
            "offer_until": until,
        }
        yield telling.event(PATIENT_UPDATED, CONSULTATIONS, f"{telling.cause}/reserved/{place.doctor_id}", reserved)


@events_of.register
def _refused(change: NoteRefusal, telling: EventContext) -> Iterator[Event]:
    if not isinstance(change.refusal, PatientInConsultation):
        return
    holder = change.refusal.holder
    doctor = telling.doctors[holder.doctor_id]
    data = telling.about_patient(f"Patient {telling.patient} is currently in consultation with {doctor}")
    data |= {
        "active_doctor_id": holder.doctor_id,
        "active_doctor_name": doctor,
        "prestation": telling.prestations[holder.prestation_id],
        "consultation_id": holder.id,
        "started_at": to_rfc3339(holder.started_at),
        "appointment_id": change.appointment.id,
        "request_id": telling.cause,
    }
    yield telling.event(BLOCKED, doctor_channel(change.appointment.doctor_id), telling.cause, data)
