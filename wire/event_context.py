"""An event of the log with its channel, and what an event is built from: names, time and cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.wire import event_bodies
from patient_visit_engine.wire.patient_identity import PatientIdentity

CONSULTATIONS = "consultations"
#: For screens in the waiting room. Its events have no name and no id of a patient.
WALL = "wall"


def doctor_channel(doctor_id: int) -> str:
    """The private channel of one doctor."""
    return f"doctor.{doctor_id}"


@dataclass(frozen=True)
class Event:
    """One event for the log.

    `dedup_key` identifies the event. A second attempt to record the same decision produces the same key.
    `patient_id` is None when the event is about no patient.
    """

    name: str
    channel: str
    dedup_key: str
    data: Mapping[str, object]
    patient_id: int | None
    consultation_id: str | None = None


@dataclass(frozen=True)
class EventContext:
    """The data that an event needs in addition to the change: names, the time, and the cause.

    The cause is the id of a request, or names the visit of a timer, or identifies a change of master data.
    """

    patient_id: int
    patient: PatientIdentity
    doctors: Mapping[int, str]
    prestations: Mapping[int, str]
    at: datetime
    cause: str
    #: Other patients that were read, by id.
    other_patients: Mapping[int, PatientIdentity] = field(default_factory=dict)
    #: The name of the account that sent the request, and the reason that was stored with it. Both are only for private channels.
    caller_name: str | None = None
    reason: str | None = None
    #: The doctor of each appointment that was read. With it, the worklist of another doctor can ignore the event.
    doctor_of: Mapping[int, int] = field(default_factory=dict)
    #: Of a call: the room of the doctor.
    room: str | None = None
    #: The ticket of the patient, when the decision shows it, and whether the patient has it since this decision.
    ticket: str | None = None
    ticket_is_new: bool = False

    @property
    def patient_name(self) -> str:
        return self.patient.name

    @property
    def decision_key(self) -> str:
        """The cause with its time, for the `dedup_key` of events.

        A request's id is not enough. After 7 days the same id is a new request, and the log can still have the old events.
        """
        return f"{self.cause}/{to_rfc3339(self.at)}"

    def about_patient(self, message: str) -> event_bodies.AboutPatient:
        """The fields that every event has."""
        return {
            "patient_id": self.patient_id,
            "patient_name": self.patient.name,
            **self.patient.next_to_name(),
            "message": message,
            "timestamp": to_rfc3339(self.at),
        }

    def about_consultation(self, consultation: Consultation, message: str) -> event_bodies.AboutConsultation:
        """The fields of an event about one consultation."""
        return {
            **self.about_patient(message),
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

    def new_event(
        self, name: str, channel: str, key: str, data: Mapping[str, object], consultation_id: str | None = None
    ) -> Event:
        """An event about this patient; `key` makes its `dedup_key` unique among events of this name."""
        return Event(name, channel, f"{name}/{key}", data, self.patient_id, consultation_id)
