"""The JSON bodies of patients, doctors, prestations and appointments as they are stored, one and in pages."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.wire.field_types import (
    MAX_EXPECTED_MINUTES,
    MAX_IDENTIFIER,
    MAX_IDENTIFIERS,
    Count,
    Date,
    Moment,
    Name,
    Ordinal,
    PartialDate,
    RecordId,
    RecordNumber,
    Sex,
    StatusName,
    closed,
)


@closed
class Identifier(TypedDict):
    """The name of a record in another system, as it was sent."""

    system: Annotated[str, Field(min_length=1, max_length=MAX_IDENTIFIER)]
    value: Annotated[str, Field(min_length=1, max_length=MAX_IDENTIFIER)]


class StoredRecord(TypedDict):
    """What each record of master data has in addition to its fields."""

    version: Annotated[Ordinal, Field(description="the number of the record's state, also in the header `ETag`")]
    identifiers: Annotated[
        list[Identifier],
        Field(description=f"up to {MAX_IDENTIFIERS}. A patient also has those of each record that was merged into it"),
    ]
    applied: NotRequired[
        Annotated[
            bool, Field(description="of a PUT: false when a newer state was stored already, so nothing was changed")
        ]
    ]


@closed
class Patient(TypedDict):
    id: RecordId
    first_name: Name | None
    last_name: Name | None
    birth_date: PartialDate | None
    sex: Sex | None


@closed
class StoredPatient(Patient, StoredRecord):
    """A patient as it is stored."""

    record_number: RecordNumber | None


class RecordPage(TypedDict):
    """One page of a search for records. `total` counts 1,000 at most. `more`: there are others, so the search is too wide."""

    page: Ordinal
    page_size: Ordinal
    total: Count
    more: bool


@closed
class Patients(RecordPage):
    items: list[StoredPatient]


@closed
class Doctor(TypedDict):
    id: RecordId
    name: Name
    specialization: Name | None
    room: Name | None
    active: bool


@closed
class RoomOfDay(TypedDict):
    """The room in which a doctor sits on this hospital day."""

    doctor_id: RecordId
    date: Date
    room: Name | None


@closed
class Prestation(TypedDict):
    id: RecordId
    name: Name
    exclusive: bool
    expected_minutes: Annotated[int, Field(ge=1, le=MAX_EXPECTED_MINUTES)]
    active: bool


@closed
class Appointment(TypedDict):
    id: RecordId
    patient_id: RecordId
    doctor_id: RecordId
    prestation_id: RecordId
    scheduled_at: Moment
    status: StatusName


@closed
class StoredDoctor(Doctor, StoredRecord):
    """A doctor as it is stored. `room` is the usual one."""

    room_today: Annotated[Name | None, Field(description="where the doctor sits today; the usual room if none was set")]


@closed
class Doctors(RecordPage):
    items: list[StoredDoctor]


@closed
class StoredPrestation(Prestation, StoredRecord):
    """A prestation as it is stored."""


@closed
class Prestations(RecordPage):
    items: list[StoredPrestation]


@closed
class StoredAppointment(Appointment, StoredRecord):
    """An appointment as it is stored. `expected_minutes` is null when those of the prestation count."""

    expected_minutes: Annotated[int, Field(ge=1, le=MAX_EXPECTED_MINUTES)] | None
