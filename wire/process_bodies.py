"""The JSON bodies about the processes: who is connected to their event streams, and whether they are ready."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.field_types import Count, Cursor, Moment, Name, Subject, Word, closed


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
