"""The types of single JSON fields, with their limits, and the marks of closed and extensible bodies."""

from typing import Annotated, Literal, cast

from pydantic import ConfigDict, Field, StringConstraints, with_config
from pydantic.json_schema import WithJsonSchema

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.person_names import MAX_NAME

#: The largest id: the largest integer that JavaScript reads exactly.
MAX_ID = 2**53 - 1
#: How many identifiers a record can have, without those of merged records, and how long each of the two texts of one can be.
MAX_IDENTIFIERS = 20
#: How many the body of a patient can have. A survivor can be sent as it was read, with the identifiers of its retired records.
MAX_SENT_IDENTIFIERS = 200
MAX_IDENTIFIER = 200
#: The longest expected time of a prestation: a day.
MAX_EXPECTED_MINUTES = 1_440

#: Ids from here on are minted. The hospital's own numbers are smaller.
LOWEST_MINTED_ID = 2**40
RecordId = Annotated[int, Field(ge=1, le=MAX_ID)]
#: A number from 1, such as a place in line or a page.
Ordinal = Annotated[int, Field(ge=1, le=MAX_ID)]
Count = Annotated[int, Field(ge=0, le=MAX_ID)]
#: 1 is the most urgent priority of an appointment.
LOWEST_PRIORITY = 5
Priority = Annotated[int, Field(ge=1, le=LOWEST_PRIORITY)]
Name = Annotated[str, Field(max_length=MAX_NAME)]
#: First and last name with a space. A person may have only one of them.
PatientName = Annotated[str, Field(max_length=2 * MAX_NAME + 1)]
#: A subscriber or caller: `account:` and a number, or `token:` and the token's subject.
Subject = Annotated[str, Field(max_length=MAX_NAME + 20)]
ConsultationId = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
#: The id of an event, as `live.cursor` writes it.
Cursor = Annotated[str, Field(pattern="^[0-9A-Za-z]{1,16}-(0|[1-9][0-9]{0,17})$")]
#: A text of the program.
ProgramText = Annotated[str, Field(max_length=1_000)]
#: A word of the program, such as a problem's code or an event's name.
Word = Annotated[str, Field(max_length=100)]
#: A path or an address.
Address = Annotated[str, Field(max_length=2_000)]

StatusName = Literal["scheduled", "confirmed", "canceled", "pending", "done", "in_progress"]

#: RFC 3339 in UTC with milliseconds, as `visit.calendar.to_rfc3339` writes it.
Moment = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
#: A calendar date, `YYYY-MM-DD`.
Date = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$"), WithJsonSchema({"type": "string", "format": "date"})
]

PARTIAL_DATE_PATTERN = r"^\d{4}(-\d\d(-\d\d)?)?$"
#: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, as far as the date is known.
PartialDate = Annotated[str, StringConstraints(pattern=PARTIAL_DATE_PATTERN)]
#: By this number staff know a patient's record.
RecordNumber = Annotated[str, Field(max_length=MAX_NAME)]
Ticket = Annotated[str, Field(description="a short number to call the patient by", min_length=1, max_length=10)]
#: As in FHIR (administrative gender).
Sex = Literal["male", "female", "other", "unknown"]


def status_name(status: AppointmentStatus) -> StatusName:
    """The status as clients read it."""
    return cast(StatusName, status.name)


#: All fields are present and there are no others.
closed = with_config(ConfigDict(extra="forbid"))
#: More members are possible.
extensible = with_config(ConfigDict(extra="allow"))
