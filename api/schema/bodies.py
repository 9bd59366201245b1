"""What a client may send. Validation is strict: no coercion, no unknown field, no control character."""

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import WithJsonSchema

from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.person_names import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_NAME,
    check_name,
    check_partial_date,
    composed,
)
from patient_visit_engine.wire.search_words import MAX_SEARCH_WORDS, typed_words
from patient_visit_engine.wire.shapes import MAX_EXPECTED_MINUTES, MAX_ID, PARTIAL_DATE_PATTERN, Sex

#: The longest extension of a consultation.
MAX_MINUTES = 240
PAGE_SIZE, MAX_PAGE_SIZE, MAX_PAGE = 50, 500, 1_000_000

NAMES = [status.name for status in AppointmentStatus]
NUMBERS = [status.value for status in AppointmentStatus]

DIGITS = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


def printable(text: str) -> str:
    """The text. A ValueError when it has a control character or a line separator."""
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError("control characters are not allowed")
    return text


def _composed(value: Any) -> Any:
    return composed(value) if isinstance(value, str) else value


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _whole_number(value: Any) -> Any:
    if not (isinstance(value, int) or (isinstance(value, str) and DIGITS.fullmatch(value))):
        raise ValueError("must be a whole number from 1 to 2^53 - 1")
    return int(value)


def _date(value: Any) -> Any:
    if isinstance(value, str) and DATE.fullmatch(value) and FIRST_YEAR <= int(value[:4]) <= LAST_YEAR:
        return date.fromisoformat(value)
    raise ValueError(f"must be a date, YYYY-MM-DD, from {FIRST_YEAR} to {LAST_YEAR}")


def _moment(value: Any) -> Any:
    if isinstance(value, str) and MOMENT.fullmatch(value) and FIRST_YEAR <= int(value[:4]) <= LAST_YEAR:
        at = datetime.fromisoformat(value.upper())
        return to_millisecond(at).astimezone(UTC)
    raise ValueError(f"must be a time with its offset (RFC 3339), from {FIRST_YEAR} to {LAST_YEAR}")


def _status(value: Any) -> Any:
    if isinstance(value, str) and value in AppointmentStatus.__members__:
        return AppointmentStatus[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in NUMBERS:
        return AppointmentStatus(value)
    raise ValueError("must be a status, by number or by name")


Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]
#: An id in a path or a query, where everything is text.
#: The bounds come first: after a validator, pydantic would write them to the OpenAPI document as `ge` and `le`.
TextId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_whole_number)]
Username = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(printable),
]
#: A name that screens show. It is stored in the composed form.
Name = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    BeforeValidator(_composed),
    AfterValidator(printable),
    AfterValidator(check_name),
]
#: A name that a person may not have. A blank one counts as not sent.
OptionalName = Annotated[Name | None, BeforeValidator(_none_if_blank)]
#: A day, or only its month or year.
PartialDate = Annotated[
    str, Field(strict=True, pattern=PARTIAL_DATE_PATTERN, max_length=10), AfterValidator(check_partial_date)
]
Reason = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=1_000),
    AfterValidator(printable),
]
Minutes = Annotated[int, Field(strict=True, ge=1, le=MAX_MINUTES)]
Flag = Annotated[bool, Field(strict=True)]
Day = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]
At = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Status = Annotated[
    AppointmentStatus, BeforeValidator(_status), WithJsonSchema({"enum": [*NUMBERS, *NAMES], "title": "Status"})
]
MasterStatus = Annotated[
    AppointmentStatus,
    BeforeValidator(_status),
    WithJsonSchema({"enum": [*NUMBERS[:3], *NAMES[:3]], "title": "Status"}),
]


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


class PutPrestation(RequestBody):
    name: Name
    exclusive: Flag
    expected_minutes: Annotated[int, Field(strict=True, ge=1, le=MAX_EXPECTED_MINUTES)]


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


def _statuses(value: Any) -> Any:
    parts = [part for text in value for part in str(text).split(",")] if isinstance(value, list) else value
    return [int(part) if part in map(str, NUMBERS) else part for part in parts]


class QueryString(RequestBody):
    """A query string. An empty parameter counts as not sent."""

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value not in ("", [], [""])}


class WorklistQuery(QueryString):
    date: Day | None = None
    doctor_id: TextId | None = None
    status: Annotated[list[Status], BeforeValidator(_statuses)] = Field(default_factory=list, max_length=20)
    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NAME), AfterValidator(printable)] = ""
    page: Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(_whole_number)] = 1
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(_whole_number)] = PAGE_SIZE


def _check_words(text: str) -> str:
    if len(typed_words(text)) > MAX_SEARCH_WORDS:
        raise ValueError(f"must have at most {MAX_SEARCH_WORDS} words")
    return text


class PatientsQuery(QueryString):
    q: Annotated[
        str,
        StringConstraints(strip_whitespace=True, max_length=MAX_NAME),
        AfterValidator(printable),
        AfterValidator(_check_words),
    ] = ""
    birth_date: PartialDate | None = None
    page: Annotated[int, Field(ge=1, le=MAX_PAGE), BeforeValidator(_whole_number)] = 1


class DayQuery(QueryString):
    date: Day | None = None
