"""What the routes need to answer a request, in one object. `app.py` builds it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.requests import HTTPConnection

from patient_visit_engine.api.access.authentication import Authentication
from patient_visit_engine.api.access.sessions import Sessions
from patient_visit_engine.api.commands.dispatcher import CommandDispatcher
from patient_visit_engine.api.commands.undecided import UndecidedReports
from patient_visit_engine.api.commands.update_calls import UpdateCalls
from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.api.readiness import Problems, Readiness
from patient_visit_engine.api.shared_calls import SharedCall
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import to_millisecond


def clock() -> datetime:
    """The current time, aware and cut to the millisecond, which is the precision of all stored times."""
    return to_millisecond(datetime.now(UTC))


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of one API process.

    `find_problems` returns what is wrong now, and `metrics_text` the metrics of this process for Prometheus.
    `hub` is None when the process serves no event stream. `process` is its name in presence reports.
    """

    settings: Settings
    database: Database
    find_problems: SharedCall[Problems]
    metrics_text: SharedCall[bytes]
    update_calls: UpdateCalls
    dispatcher: CommandDispatcher
    undecided_reports: UndecidedReports
    sessions: Sessions
    authentication: Authentication
    metrics: Metrics
    hub: Hub | None
    readiness: Readiness
    now: Callable[[], datetime]
    process: str

    def today(self) -> date:
        """The current date in the hospital's time zone."""
        return self.settings.calendar.day_of(self.now())


def dependencies_of(connection: HTTPConnection) -> Dependencies:
    """The dependencies of the application that received this request."""
    dependencies: Dependencies = connection.app.state.dependencies
    return dependencies
