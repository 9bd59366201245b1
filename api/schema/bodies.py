"""What a client may send. Validation is strict: no coercion, no unknown field, no control character."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from patient_visit_engine.api.schema.fields import (
    At,
    ExactIdentifier,
    Flag,
    Id,
    IdentifierText,
    MasterStatus,
    Minutes,
    Name,
    OptionalName,
    PartialDate,
    Priority,
    Reason,
    Status,
    SystemName,
    Username,
)
from patient_visit_engine.storage.account_changes import MIN_PASSWORD_LENGTH
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Role
from patient_visit_engine.wire.field_types import MAX_EXPECTED_MINUTES, MAX_IDENTIFIERS, MAX_SENT_IDENTIFIERS, Sex

MAX_PASSWORD_LENGTH = 1_000
#: The prestations to which one call of a patient can be limited.
MAX_PRESTATIONS_OF_CALL = 50
ExpectedMinutes = Annotated[int, Field(strict=True, ge=1, le=MAX_EXPECTED_MINUTES)]
#: The records to which an appointment refers.
REFERENCES = (RecordKind.patient, RecordKind.doctor, RecordKind.prestation)


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


Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_PASSWORD_LENGTH), AfterValidator(_is_text)]
NewPassword = Annotated[
    SecretStr, Field(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH), AfterValidator(_is_text)
]


class Credentials(RequestBody):
    username: Username
    password: Password


class ChangePassword(RequestBody):
    old: Password
    new: NewPassword


class AddAccount(RequestBody):
    """`name` is the name that screens show. `doctor_id` is needed for role doctor, and not allowed for other roles."""

    username: Name
    name: Name
    role: Role
    doctor_id: Id | None = None
    password: Annotated[NewPassword | None, Field(description="drawn when it is not sent")] = None


class ChangeAccount(RequestBody):
    """What is not sent stays."""

    name: Name | None = None
    role: Role | None = None
    doctor_id: Id | None = None
    active: Annotated[Flag | None, Field(description="false revokes the account, true restores it")] = None


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


class PutRecord(RequestBody):
    """What the body of each record may carry in addition to its fields."""

    identifiers: Annotated[list[SentIdentifier], Field(max_length=MAX_IDENTIFIERS)] = Field(default_factory=list)
    as_of: Annotated[
        At | None, Field(description="the time at which the sender knew this, at most 5 minutes ahead")
    ] = None


class MergePatients(RequestBody):
    patient_id: Id
    reason: Reason


class PutPatient(PutRecord):
    """At least one name is needed, because many people have only one.

    The identifiers can include those of the records that were merged into this one. These stay where they are.
    """

    identifiers: Annotated[list[SentIdentifier], Field(max_length=MAX_SENT_IDENTIFIERS)] = Field(default_factory=list)
    first_name: OptionalName = None
    last_name: OptionalName = None
    birth_date: PartialDate | None = None
    sex: Sex | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.first_name is None and self.last_name is None:
            raise ValueError("first_name or last_name must be sent")
        return self


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


class PutDoctor(PutRecord):
    name: Name
    specialization: Name | None = None
    room: Name | None = None
    active: Flag = True


class PutRoom(RequestBody):
    """The room of today. It must be there, so that an empty body ends no room by mistake."""

    room: Name | None


class CallNext(RequestBody):
    """Only patients with an appointment for one of these prestations are called. Null: any."""

    prestation_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_PRESTATIONS_OF_CALL)] | None = None


class PutPrestation(PutRecord):
    name: Name
    exclusive: Flag
    expected_minutes: ExpectedMinutes
    active: Flag = True


def _check_allowed_for_master_data(status: AppointmentStatus) -> AppointmentStatus:
    if status > AppointmentStatus.canceled:
        raise ValueError("must be scheduled, confirmed or canceled")
    return status


class PutAppointment(PutRecord):
    """Each of patient, doctor and prestation is named by its id or by an identifier."""

    patient_id: Id | None = None
    patient: RecordReference | None = None
    doctor_id: Id | None = None
    doctor: RecordReference | None = None
    prestation_id: Id | None = None
    prestation: RecordReference | None = None
    scheduled_at: At
    expected_minutes: Annotated[
        ExpectedMinutes | None, Field(description="null: those of the prestation. Left out: they stay")
    ] = None
    status: Annotated[MasterStatus, AfterValidator(_check_allowed_for_master_data)] | None = None

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for kind in REFERENCES:
            if (getattr(self, f"{kind}_id") is None) == (getattr(self, kind.value) is None):
                raise ValueError(f"either {kind}_id or {kind} must be sent, and not both")
        return self

    @property
    def references(self) -> dict[RecordKind, Identifier]:
        """The identifiers of the records that are not named by their ids."""
        named = {kind: getattr(self, kind.value) for kind in REFERENCES}
        return {kind: reference.identifier for kind, reference in named.items() if reference is not None}

    @property
    def clears_minutes(self) -> bool:
        """Whether null was sent as the expected minutes."""
        return self.expected_minutes is None and "expected_minutes" in self.model_fields_set
