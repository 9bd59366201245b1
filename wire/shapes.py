"""The shape of each JSON body. The code that writes a body, the OpenAPI document and the type checker all use the same one."""

from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import ConfigDict, Field, StringConstraints, with_config
from pydantic.json_schema import WithJsonSchema
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, Role, TrackingStatus

#: The largest id: the largest integer that JavaScript reads exactly.
MAX_ID = 2**53 - 1

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


def status_name(status: AppointmentStatus) -> StatusName:
    """The status as clients read it."""
    return cast(StatusName, status.name)


#: All fields are present and there are no others.
closed = with_config(ConfigDict(extra="forbid"))
#: More members are possible.
extensible = with_config(ConfigDict(extra="allow"))


@closed
class WrongField(TypedDict):
    field: str
    message: str


@extensible
class Problem(TypedDict):
    """An error (RFC 9457); `code` is stable, further members depend on it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    http_request_id: NotRequired[Annotated[str, Field(description="with status 503: the `X-Request-ID` of the answer")]]
    errors: NotRequired[Annotated[list[WrongField], Field(description="with code `invalid`")]]


class RefusalMembers(TypedDict, total=False):
    """The members that a refusal adds to a problem. They depend on the code."""

    success: Literal[False]
    in_consultation: bool
    message: str
    request_id: str
    active_doctor: str | None
    active_doctor_id: int | None
    prestation: str | None
    consultation_id: str | None
    started_at: Moment
    elapsed_seconds: int
    actions: list[PossibleAction]
    position: int | None
    patient_name: str
    since: Moment
    scheduled_at: Moment
    until: Moment
    reserved_for: str
    reserved_for_id: int
    appointment_status: Literal["done", "canceled"]
    outcome: Outcome | None
    completed_at: Moment | None


@extensible
class Refusal(Problem, RefusalMembers):
    """The body of a refusal by a visit. Its members depend on the code: the holder, times, and possible actions."""


@closed
class SignedInUser(TypedDict):
    user_id: str
    name: str
    role: Role
    doctor_id: int | None
    timezone: Annotated[str, Field(description="the hospital's time zone (IANA name)")]
    day_starts: Annotated[
        str, Field(description="the local time at which a hospital day starts", pattern="^[0-2][0-9]:[0-5][0-9]$")
    ]


@closed
class StartWarning(TypedDict):
    """What a granted start should tell its doctor: another consultation of this doctor is still open."""

    code: Literal["doctor_in_consultation"]
    consultation_id: str
    patient_name: str
    since: Moment


@closed
class Consultation(TypedDict):
    id: str
    patient_id: int
    doctor_id: int
    appointment_id: int
    prestation_id: int
    status: TrackingStatus
    started_at: Moment | None
    completed_at: Moment | None
    outcome: Outcome | None
    overdue_at: Moment | None
    warnings: NotRequired[Annotated[list[StartWarning], Field(description="of a start that has any", min_length=1)]]


@closed
class Tracking(TypedDict):
    id: int
    patient_id: int
    appointment_id: int
    consultation_id: str | None
    prestation_id: int
    doctor_id: int
    status: TrackingStatus
    outcome: Outcome | None
    check_in_time: Moment
    check_out_time: Moment | None
    created_by: str


@closed
class Trackings(TypedDict):
    items: list[Tracking]


@closed
class AppointmentStatusNow(TypedDict):
    appointment_id: int
    status: StatusName
    status_code: AppointmentStatus


@closed
class Place(TypedDict):
    position: int


@closed
class Patient(TypedDict):
    id: int
    first_name: str
    last_name: str
    birth_date: Date | None


@closed
class Doctor(TypedDict):
    id: int
    name: str
    specialization: str | None


@closed
class Prestation(TypedDict):
    id: int
    name: str
    exclusive: bool
    expected_minutes: int


@closed
class Appointment(TypedDict):
    id: int
    patient_id: int
    doctor_id: int
    prestation_id: int
    scheduled_at: Moment
    status: StatusName


@closed
class AsyncRequest(TypedDict):
    """The state of an asynchronous request; `status`, `location` and `body` are those of its answer."""

    state: Annotated[
        Literal["open", "decided", "set_aside"],
        Field(
            description="`set_aside`: the decision could not be recorded; only the client can send the request again"
        ),
    ]
    status: int | None
    location: str | None
    body: dict[str, Any] | None


@closed
class ConnectedSubscriber(TypedDict):
    """One open event stream at `as_of`: now for the process that answers, its last report for any other process."""

    user: Annotated[str, Field(description="`account:` and a number, or `token:` and the token's subject")]
    name: str
    role: Role
    since: Moment
    cursor: Annotated[str, Field(description="the event id from which the subscriber would resume")]
    behind: Annotated[
        int, Field(ge=0, description="number of events that the process has and the subscriber has not received")
    ]
    live: Annotated[bool, Field(description="whether it has received every event of its process")]
    process: Annotated[
        str, Field(description="the API process that serves it, by a random name, chosen when the process starts")
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
