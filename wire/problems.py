"""The body of an error, in the format of RFC 9457."""

from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.wire.field_types import (
    ConsultationId,
    Count,
    Moment,
    Name,
    Ordinal,
    PartialDate,
    PatientName,
    ProgramText,
    RecordId,
    RecordNumber,
    Word,
    closed,
    extensible,
)

#: What the caller of a refused start can do instead.
PossibleAction = Literal["wait", "leave", "complete", "check_in"]


@closed
class WrongField(TypedDict):
    field: Word
    message: ProgramText


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
    family_name: Name | None
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


def problem_body(status: int, code: str, title: str, detail: str | None = None, **members: Any) -> Problem:
    """The body with its stable `code`, by which clients tell errors apart. `members` are added as they are."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail or title, "code": code}
    return cast(Problem, body | members)
