"""What the routes work with, handed to them in one piece; it must not build any of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.requests import HTTPConnection

from patient_visit_engine.api.access.authentication import Authentication
from patient_visit_engine.api.access.sessions import Sessions
from patient_visit_engine.api.commands.dispatcher import CommandDispatcher
from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.api.temporal_health import TemporalHealth
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import local_day, to_millisecond


def clock() -> datetime:
    """The moment, aware, to the millisecond that everything is kept to."""
    return to_millisecond(datetime.now(UTC))


class Readiness:
    """Whether this process still wants requests."""

    def __init__(self) -> None:
        self.draining = False


@dataclass(frozen=True)
class Dependencies:
    """The parts of one API process, which others know as `process`; `hub` is None where no stream is served."""

    settings: Settings
    database: Database
    dispatcher: CommandDispatcher
    temporal: TemporalHealth
    sessions: Sessions
    authentication: Authentication
    metrics: Metrics
    hub: Hub | None
    readiness: Readiness
    now: Callable[[], datetime]
    process: str

    def today(self) -> date:
        """The hospital's local date now."""
        return local_day(self.now(), self.settings.zone)


def dependencies_of(connection: HTTPConnection) -> Dependencies:
    """The parts of the application that this request came to."""
    parts: Dependencies = connection.app.state.parts
    return parts
