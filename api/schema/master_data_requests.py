"""What a client may send about master data: the bodies of `PUT` calls."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from patient_visit_engine.api.schema.bodies import RecordReference, RequestBody, SentIdentifier
from patient_visit_engine.api.schema.fields import (
    At,
    Flag,
    Id,
    MasterStatus,
    Name,
    OptionalName,
    PartialDate,
)
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.field_types import MAX_EXPECTED_MINUTES, MAX_IDENTIFIERS, MAX_SENT_IDENTIFIERS, Sex

ExpectedMinutes = Annotated[int, Field(strict=True, ge=1, le=MAX_EXPECTED_MINUTES)]
#: The records to which an appointment refers.
REFERENCES = (RecordKind.patient, RecordKind.doctor, RecordKind.prestation)


class PutRecord(RequestBody):
    """What the body of each record may carry in addition to its fields."""

    identifiers: Annotated[list[SentIdentifier], Field(max_length=MAX_IDENTIFIERS)] = Field(default_factory=list)
    as_of: Annotated[
        At | None, Field(description="the time at which the sender knew this, at most 5 minutes ahead")
    ] = None


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


class PutDoctor(PutRecord):
    name: Name
    specialization: Name | None = None
    room: Name | None = None
    active: Flag = True


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
