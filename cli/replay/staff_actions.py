"""What staff do on a generated day. Each action is one call of the public HTTP API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from patient_visit_engine.visit.codes import Role


class StaffMember(NamedTuple):
    """Who sends a call. `number` is the id of a doctor, or the number of a desk."""

    role: Role
    number: int


class StaffCall(NamedTuple):
    """A call of the API. `ids` are the ids that the driver adds to the body."""

    method: str
    path: str
    ids: tuple[str, ...] = ()


#: Every command of a generated day. A path and a body name ids that may only be known when an earlier call was answered.
CALLS = {
    "set room": StaffCall("PUT", "/api/doctors/{doctor_id}/room"),
    "check in": StaffCall("POST", "/api/appointments/{appointment_id}/check-in"),
    "undo check-in": StaffCall("DELETE", "/api/appointments/{appointment_id}/check-in"),
    "check out": StaffCall("POST", "/api/appointments/{appointment_id}/check-out"),
    "undo check-out": StaffCall("DELETE", "/api/appointments/{appointment_id}/check-out"),
    "check in of patient": StaffCall("POST", "/api/patients/{patient_id}/check-in"),
    "undo check-in of patient": StaffCall("DELETE", "/api/patients/{patient_id}/check-in"),
    "check out of patient": StaffCall("POST", "/api/patients/{patient_id}/check-out"),
    "undo check-out of patient": StaffCall("DELETE", "/api/patients/{patient_id}/check-out"),
    "walk in": StaffCall("POST", "/api/walk-ins", ("patient_id", "doctor_id")),
    "walk in as new patient": StaffCall("POST", "/api/walk-ins", ("doctor_id",)),
    "set priority": StaffCall("PATCH", "/api/appointments/{appointment_id}/priority"),
    "cancel": StaffCall("POST", "/api/appointments/{appointment_id}/cancel"),
    "undo cancel": StaffCall("DELETE", "/api/appointments/{appointment_id}/cancel"),
    "reassign": StaffCall("POST", "/api/appointments/{appointment_id}/reassign", ("doctor_id",)),
    "reassign all": StaffCall("POST", "/api/doctors/{doctor_id}/reassign-all"),
    "call next": StaffCall("POST", "/api/doctors/{doctor_id}/call-next"),
    "no answer": StaffCall("POST", "/api/appointments/{appointment_id}/no-answer"),
    "start": StaffCall("POST", "/api/consultations", ("appointment_id", "patient_id", "doctor_id")),
    "undo start": StaffCall("POST", "/api/consultations/{consultation_id}/undo-start"),
    "pause": StaffCall("POST", "/api/consultations/{consultation_id}/pause"),
    "resume": StaffCall("POST", "/api/consultations/{consultation_id}/resume"),
    "transfer": StaffCall("POST", "/api/consultations/{consultation_id}/transfer", ("doctor_id",)),
    "complete": StaffCall("POST", "/api/consultations/{consultation_id}/complete"),
    "reopen": StaffCall("POST", "/api/consultations/{consultation_id}/reopen"),
    "release": StaffCall("POST", "/api/consultations/{consultation_id}/release"),
}


@dataclass(frozen=True)
class StaffAction:
    """One call, at `at` seconds after the first action of the day.

    `patient` and `appointment` are numbers of the plan. For what the hospital has fed, they are the ids.
    """

    at: float
    command: str
    staff: StaffMember
    patient: int | None = None
    appointment: int | None = None
    doctor: int | None = None
    body: Mapping[str, Any] | None = None
    #: More people whose earlier actions must be answered before this one.
    concerned: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    def people(self) -> frozenset[tuple[str, int]]:
        """Everyone who does one thing after the other: the patient, the member of staff, and the doctor."""
        people = {(self.staff.role.value, self.staff.number), *self.concerned}
        if self.patient is not None:
            people.add(("patient", self.patient))
        return frozenset(people)
