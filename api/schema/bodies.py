"""What a client may send. Validation is strict: no coercion, no unknown field, no control character."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from patient_visit_engine.api.schema.fields import (
    At,
    Flag,
    Id,
    IdentifierText,
    MasterStatus,
    Minutes,
    Name,
    OptionalName,
    PartialDate,
    Reason,
    Status,
    SystemName,
    Username,
)
from patient_visit_engine.storage.master_data.identifiers import Identifier
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.shapes import MAX_EXPECTED_MINUTES, Sex


class RequestBody(BaseModel):
    """A JSON object of known fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class EmptyBody(RequestBody):
    """An empty object, for calls that need only their path."""


def _is_text(secret: SecretStr) -> SecretStr:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        # Pydantic would quote the password in its error message.
        raise ValueError("half of a surrogate pair is no character") from None
    return secret


class Credentials(RequestBody):
    username: Username
    password: Annotated[SecretStr, Field(min_length=1, max_length=1_000), AfterValidator(_is_text)]


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


class ReleaseConsultation(RequestBody):
    reason: Reason


def _check_settable(status: AppointmentStatus) -> AppointmentStatus:
    if status is AppointmentStatus.in_progress:
        raise ValueError("only a start sets this status")
    return status


class SetAppointmentStatus(RequestBody):
    status: Annotated[Status, AfterValidator(_check_settable)]


class SentIdentifier(RequestBody):
    system: SystemName
    value: IdentifierText

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.system, self.value)


class PutPatient(RequestBody):
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


class PutDoctor(RequestBody):
    name: Name
    specialization: Name | None = None
    room: Name | None = None
    active: Flag = True


class PutPrestation(RequestBody):
    name: Name
    exclusive: Flag
    expected_minutes: Annotated[int, Field(strict=True, ge=1, le=MAX_EXPECTED_MINUTES)]
    active: Flag = True


def _check_allowed_for_master_data(status: AppointmentStatus) -> AppointmentStatus:
    if status > AppointmentStatus.canceled:
        raise ValueError("must be scheduled, confirmed or canceled")
    return status


class PutAppointment(RequestBody):
    patient_id: Id
    doctor_id: Id
    prestation_id: Id
    scheduled_at: At
    status: Annotated[MasterStatus, AfterValidator(_check_allowed_for_master_data)] | None = None
