"""What the routes work with, handed to them in one piece; it must not build any of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.requests import HTTPConnection

from api.asking import Asking
from api.authentication import Authentication
from api.metrics import Metrics
from api.sessions import Sessions
from api.visit_client import VisitClient
from config.settings import Settings
from live.hub import Hub
from storage.database import Database
from visit.calendar import local_day, to_millisecond


def clock() -> datetime:
    """The moment, aware, to the millisecond that everything is kept to."""
    return to_millisecond(datetime.now(UTC))


class Readiness:
    """Whether this process still wants requests."""

    def __init__(self) -> None:
        self.draining = False


@dataclass(frozen=True)
class Parts:
    """The parts of one API process, which others know as `process`; `hub` is None where no stream is served."""

    settings: Settings
    database: Database
    visits: VisitClient
    asking: Asking
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


def parts_of(connection: HTTPConnection) -> Parts:
    """The parts of the application that this request came to."""
    parts: Parts = connection.app.state.parts
    return parts
