"""The JSON bodies about staff accounts, and about who is signed in."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import DoctorBusy, Role
from patient_visit_engine.wire.field_types import Count, Moment, Name, Ordinal, RecordId, Subject, Word, closed


@closed
class SignedInUser(TypedDict):
    user_id: Subject
    name: Name
    role: Role
    doctor_id: RecordId | None
    timezone: Annotated[Word, Field(description="the hospital's time zone (IANA name)")]
    day_starts: Annotated[
        str, Field(description="the local time at which a hospital day starts", pattern="^[0-2][0-9]:[0-5][0-9]$")
    ]
    doctor_busy: Annotated[
        DoctorBusy,
        Field(description="what a start means during another consultation of the doctor: `VISIT_DOCTOR_BUSY`"),
    ]
    expires_at: Annotated[Moment, Field(description="when the session or the token ends")]


@closed
class Account(TypedDict):
    """A staff account, without its password. An account that is not active is revoked."""

    id: RecordId
    username: Name
    name: Name
    role: Role
    doctor_id: RecordId | None
    active: bool


@closed
class AddedAccount(Account):
    """A new account. `password` is only in the first answer, and only when it was drawn."""

    password: NotRequired[Annotated[str, Field(max_length=100)]]


@closed
class Accounts(TypedDict):
    items: list[Account]
    page: Ordinal
    page_size: Ordinal
    total: Count
