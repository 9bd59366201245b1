"""The shape of each JSON body. The code that writes a body, the OpenAPI document and the type checker all use the same one."""

from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import ConfigDict, Field, StringConstraints, with_config
from pydantic.json_schema import WithJsonSchema
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, Role, TrackingStatus
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

#: What the caller of a refused start can do instead.
PossibleAction = Literal["wait", "leave", "complete", "check_in"]
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


@closed
class WrongField(TypedDict):
    field: Word
    message: ProgramText


@closed
class Skipped(TypedDict):
    appointment_id: RecordId
    reason: Annotated[Word, Field(description="the code of a refusal, or `no_answers`")]


@closed
class CalledPatient(TypedDict):
    """The item of the doctor's list that is called. `skipped` are those before it that could not be called."""

    appointment_id: RecordId
    patient_id: RecordId
    patient_name: PatientName
    birth_date: PartialDate | None
    record_number: RecordNumber | None
    doctor_id: RecordId
    doctor_name: Name
    prestation_id: RecordId
    prestation: Name
    room: Annotated[Name | None, Field(description="where the doctor sits today")]
    ticket: Ticket | None
    until: Annotated[Moment, Field(description="the end of the call")]
    skipped: list[Skipped]


@closed
class UnansweredCalls(TypedDict):
    appointment_id: RecordId
    no_answers: Count


@extensible
class Problem(TypedDict):
    """An error (RFC 9457); `code` is stable, further members depend on it."""

    type: Word
    title: ProgramText
    status: Annotated[int, Field(ge=400, le=599)]
    detail: ProgramText
    code: Word
    http_request_id: NotRequired[
        Annotated[
            str,
            Field(pattern="^[!-~]{1,128}$", description="with status 503: the `X-Request-ID` of the answer"),
        ]
    ]
    errors: NotRequired[Annotated[list[WrongField], Field(description="with code `invalid`")]]


class RefusalMembers(TypedDict, total=False):
    """The members that a refusal adds to a problem. They depend on the code."""

    success: Literal[False]
    in_consultation: bool
    message: ProgramText
    request_id: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    active_doctor: Name | None
    active_doctor_id: RecordId | None
    prestation: Name | None
    consultation_id: ConsultationId | None
    started_at: Moment
    elapsed_seconds: Count
    actions: list[PossibleAction]
    position: Ordinal | None
    patient_name: PatientName
    birth_date: PartialDate | None
    record_number: RecordNumber | None
    since: Moment
    scheduled_at: Moment
    until: Moment
    reserved_for: Name
    reserved_for_id: RecordId
    appointment_status: Literal["done", "canceled"]
    outcome: Outcome | None
    completed_at: Moment | None
    survivor_id: RecordId


@extensible
class Refusal(Problem, RefusalMembers):
    """The body of a refusal by a visit. Its members depend on the code: the holder, times, and possible actions."""


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


@closed
class StartWarning(TypedDict):
    """What a granted start should tell its doctor: another consultation of this doctor is still open."""

    code: Literal["doctor_in_consultation"]
    consultation_id: ConsultationId
    patient_name: PatientName
    birth_date: PartialDate | None
    record_number: RecordNumber | None
    since: Moment


@closed
class Consultation(TypedDict):
    id: ConsultationId
    patient_id: RecordId
    doctor_id: RecordId
    appointment_id: RecordId
    prestation_id: RecordId
    status: TrackingStatus
    started_at: Moment | None
    completed_at: Moment | None
    outcome: Outcome | None
    overdue_at: Moment | None
    warnings: NotRequired[Annotated[list[StartWarning], Field(description="of a start that has any", min_length=1)]]


@closed
class Tracking(TypedDict):
    id: RecordId
    patient_id: RecordId
    appointment_id: RecordId
    consultation_id: ConsultationId | None
    prestation_id: RecordId
    doctor_id: RecordId
    status: TrackingStatus
    outcome: Outcome | None
    check_in_time: Moment
    check_out_time: Moment | None
    created_by: Subject
    ticket: Ticket | None


@closed
class Trackings(TypedDict):
    items: list[Tracking]


@closed
class WalkIn(TypedDict):
    appointment_id: RecordId
    patient_id: RecordId
    ticket: Ticket | None
    tracking: Tracking


@closed
class AppointmentStatusNow(TypedDict):
    appointment_id: RecordId
    status: StatusName
    status_code: AppointmentStatus


@closed
class AppointmentPriorityNow(TypedDict):
    appointment_id: RecordId
    priority: Priority | None


@closed
class Place(TypedDict):
    position: Ordinal


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
class MovedAppointment(TypedDict):
    appointment_id: RecordId
    patient_id: RecordId


@closed
class UnmovedAppointment(MovedAppointment):
    code: Annotated[Word, Field(description="why it did not move: the code of the refusal")]


@closed
class ReassignedDay(TypedDict):
    """What moved to the other doctor, and what did not, each in the order of the day."""

    moved: list[MovedAppointment]
    not_moved: list[UnmovedAppointment]


@closed
class Merge(TypedDict):
    """A merge: `retired` are the ids that it retired into `patient_id`."""

    patient_id: RecordId
    retired: Annotated[list[RecordId], Field(min_length=1)]
    both_in_consultation: Annotated[bool, Field(description="both were in an exclusive consultation then")]


@closed
class Separation(TypedDict):
    """A merge was undone: `retired` are the ids that it had retired, and that no longer belong to `patient_id`."""

    patient_id: RecordId
    retired: Annotated[list[RecordId], Field(min_length=1)]


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


@closed
class AsyncRequest(TypedDict):
    """The state of an asynchronous request; `status`, `location` and `body` are those of its answer."""

    state: Annotated[
        Literal["open", "decided", "set_aside"],
        Field(
            description="`set_aside`: the decision could not be recorded; only the client can send the request again"
        ),
    ]
    status: Annotated[int, Field(ge=200, le=599)] | None
    location: Address | None
    body: dict[str, Any] | None


@closed
class ConnectedSubscriber(TypedDict):
    """One open event stream at `as_of`: now for the process that answers, its last report for any other process."""

    user: Annotated[Subject, Field(description="`account:` and a number, or `token:` and the token's subject")]
    name: Name
    role: Role
    since: Moment
    cursor: Annotated[Cursor, Field(description="the event id from which the subscriber would resume")]
    behind: Annotated[
        Count, Field(description="number of events that the process has and the subscriber has not received")
    ]
    live: Annotated[bool, Field(description="whether it has received every event of its process")]
    process: Annotated[
        Word, Field(description="the API process that serves it, by a random name, chosen when the process starts")
    ]
    as_of: Moment


@closed
class Presence(TypedDict):
    """Who is connected to the event stream of any API process, longest connected first."""

    items: list[ConnectedSubscriber]


@closed
class Readiness(TypedDict):
    status: Literal["ready"]
    database: Literal["up"]
    schema: Literal["up"]
    temporal: Literal["up"]
    workers: Annotated[Literal["up"], Field(description="a worker has polled within the last 90 seconds")]
    stream: Annotated[Literal["up"], Field(description="the event log was read within the last 5 seconds")]


@closed
class Liveness(TypedDict):
    status: Literal["live"]
