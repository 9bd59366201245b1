"""The values of request bodies and query strings. Validation is strict: no coercion and no control character."""

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    StringConstraints,
)
from pydantic.json_schema import WithJsonSchema
from pydantic_core import core_schema

from patient_visit_engine.storage.master_data.identifiers import Identifier
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.field_types import LOWEST_PRIORITY, MAX_ID, MAX_IDENTIFIER, PARTIAL_DATE_PATTERN
from patient_visit_engine.wire.identifier_texts import SEPARATOR, split_identifier
from patient_visit_engine.wire.person_names import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_NAME,
    check_moment,
    check_name,
    check_partial_date,
    composed,
)

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


def whole_number(value: Any) -> Any:
    """The number of a text in a path or a query. A ValueError when it is none."""
    if not (isinstance(value, int) or (isinstance(value, str) and DIGITS.fullmatch(value))):
        raise ValueError("must be a whole number from 1 to 2^53 - 1")
    return int(value)


def _date(value: Any) -> Any:
    if isinstance(value, str) and DATE.fullmatch(value) and FIRST_YEAR <= int(value[:4]) <= LAST_YEAR:
        return date.fromisoformat(value)
    raise ValueError(f"must be a date, YYYY-MM-DD, from {FIRST_YEAR} to {LAST_YEAR}")


def _moment(value: Any) -> Any:
    if isinstance(value, str) and MOMENT.fullmatch(value):
        return to_millisecond(check_moment(datetime.fromisoformat(value.upper())))
    raise ValueError(f"must be a time with its offset (RFC 3339), from {FIRST_YEAR} to {LAST_YEAR}")


def _status(value: Any) -> Any:
    if isinstance(value, str) and value in AppointmentStatus.__members__:
        return AppointmentStatus[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in NUMBERS:
        return AppointmentStatus(value)
    raise ValueError("must be a status, by number or by name")


def _check_identifier_text(text: str) -> str:
    """The text, unchanged. Any change could turn it into the identifier of another record."""
    if not 1 <= len(text) <= MAX_IDENTIFIER:
        raise ValueError(f"must have 1 to {MAX_IDENTIFIER} characters")
    if text != text.strip():
        raise ValueError("must not start or end with a space")
    if "\ufffd" in text:
        # The server puts this character for each part of a query that is not UTF-8. So two values would become one.
        raise ValueError("must be encoded as UTF-8")
    return check_name(printable(text))


def _check_system(text: str) -> str:
    if SEPARATOR in text:
        raise ValueError(f"must not contain {SEPARATOR}, which separates system and value in a query string")
    return text


def _split_identifier(value: Any) -> Identifier:
    texts = split_identifier(value) if isinstance(value, str) else None
    if texts is None:
        raise ValueError("must be system|value")
    return Identifier(*map(_check_identifier_text, texts))


Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]
#: An id in a path or a query, where everything is text.
#: The bounds come first: after a validator, pydantic would write them to the OpenAPI document as `ge` and `le`.
TextId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(whole_number)]
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
#: One of the two texts of an identifier. It is stored exactly as sent.
IdentifierText = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_IDENTIFIER),
    AfterValidator(_check_identifier_text),
]
SystemName = Annotated[IdentifierText, AfterValidator(_check_system)]
#: The exact identifier of a record in one text. The first `|` ends the system, so a value can contain others.
ExactIdentifier = Annotated[
    Identifier,
    # Only this function reads the text. Otherwise the OpenAPI document would also describe the fields of the class.
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(_split_identifier)),
    WithJsonSchema({"type": "string", "pattern": r"^[^|]+\|.+$", "maxLength": 2 * MAX_IDENTIFIER + 1}),
]
Minutes = Annotated[int, Field(strict=True, ge=1, le=MAX_MINUTES)]
Priority = Annotated[int, Field(strict=True, ge=1, le=LOWEST_PRIORITY)]
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
