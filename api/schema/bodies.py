"""What a client may send with a command. Validation is strict: no coercion, no unknown field, no control character."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from patient_visit_engine.api.schema.fields import (
    At,
    ExactIdentifier,
    Flag,
    Id,
    IdentifierText,
    Minutes,
    Name,
    OptionalName,
    PartialDate,
    Priority,
    Reason,
    Status,
    SystemName,
)
from patient_visit_engine.storage.master_data.identifiers import Identifier
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason
from patient_visit_engine.wire.field_types import Sex

#: The prestations to which one call of a patient can be limited.
MAX_PRESTATIONS_OF_CALL = 50


class RequestBody(BaseModel):
    """A JSON object of known fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class EmptyBody(RequestBody):
    """An empty object, for calls that need only their path."""


class StartConsultation(RequestBody):
    appointment_id: Id
    patient_id: Id
    doctor_id: Id
    wait: Flag = False
    valid_until: Annotated[
        At | None,
        Field(
            description="Only with `Prefer: respond-async`: after this time the start is refused. At most 24 hours ahead."
        ),
    ] = None


class ExtendConsultation(RequestBody):
    minutes: Minutes


class PauseConsultation(RequestBody):
    reason: Reason | None = None


class ReleaseConsultation(RequestBody):
    reason: Reason


def _check_settable(status: AppointmentStatus) -> AppointmentStatus:
    if status is AppointmentStatus.in_progress:
        raise ValueError("only a start sets this status")
    return status


class SetAppointmentStatus(RequestBody):
    status: Annotated[Status, AfterValidator(_check_settable)]


class CancelAppointment(RequestBody):
    """`text` is kept in the patient's timeline."""

    reason: CancelReason
    text: Reason | None = None


class SetPriority(RequestBody):
    #: Required, so that an empty body does not remove the priority.
    priority: Annotated[Priority | None, Field(description="1 is most urgent; null: none")]
    reason: Reason | None = None


class Reassign(RequestBody):
    doctor_id: Id
    reason: Reason | None = None


class Transfer(RequestBody):
    doctor_id: Id


class ReassignAll(RequestBody):
    doctor_id: Id
    reason: Reason


class SentIdentifier(RequestBody):
    system: SystemName
    value: IdentifierText

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.system, self.value)


class RecordReference(RequestBody):
    """A record that is known by an identifier."""

    identifier: ExactIdentifier


class MergePatients(RequestBody):
    patient_id: Id
    reason: Reason


class NewPatient(RequestBody):
    """At least one name is needed, because many people have only one."""

    first_name: OptionalName = None
    last_name: OptionalName = None
    birth_date: PartialDate | None = None
    sex: Sex | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.first_name is None and self.last_name is None:
            raise ValueError("first_name or last_name must be sent")
        return self


class OpenWalkIn(RequestBody):
    """Either `patient_id` or `patient` is sent. `patient` is an identifier of a known patient, or the names of a new one."""

    patient_id: Id | None = None
    patient: RecordReference | NewPatient | None = None
    doctor_id: Id
    prestation_id: Id
    priority: Annotated[Priority | None, Field(description="1 is most urgent; null: none")] = None

    @model_validator(mode="after")
    def _check_patient(self) -> Self:
        if (self.patient_id is None) == (self.patient is None):
            raise ValueError("either patient_id or patient must be sent")
        return self

    @property
    def new_patient(self) -> NewPatient | None:
        """The names of the patient, when the patient is new."""
        return self.patient if isinstance(self.patient, NewPatient) else None

    @property
    def identifier(self) -> Identifier | None:
        """The identifier by which a known patient is named."""
        return self.patient.identifier if isinstance(self.patient, RecordReference) else None


class PutRoom(RequestBody):
    """The room of today. It must be there, so that an empty body ends no room by mistake."""

    room: Name | None


class CallNext(RequestBody):
    """Only patients with an appointment for one of these prestations are called. Null: any."""

    prestation_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_PRESTATIONS_OF_CALL)] | None = None
