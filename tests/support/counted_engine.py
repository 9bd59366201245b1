"""API and worker in the test's process, on a real Temporal server and a real database, with everything counted that they send.

Only what a command causes is sent: the sweep, the heartbeats, the event stream and the checks of sessions do not run here.
"""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, event, insert
from temporalio.client import Client
from temporalio.runtime import LoggingConfig, MetricBuffer, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.api.access.sessions import COOKIE, Sessions, hash_token
from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.dependencies import clock
from patient_visit_engine.api.temporal_health import TemporalHealth
from patient_visit_engine.runtime.temporal import DATA_CONVERTER
from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from patient_visit_engine.visit.codes import AppointmentStatus, Role
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.worker.builder import build
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue
from tests.support.api import settings_with
from tests.support.clocks import morning_zone
from tests.support.postgres_counter import PostgresCounter, SentMessages
from tests.support.waiting import wait_until_async

#: More metric updates than the commands between two reads of the buffer cause.
METRIC_UPDATES = 100_000
#: The SDK's counters of calls. A call that waits for a decision, or for work, is a long one.
CALLS = frozenset({"temporal_request", "temporal_long_request"})
POSTGRES_PORT = 5432
FIRST_DOCTOR, SECOND_DOCTOR = 1, 2
DOCTORS = (FIRST_DOCTOR, SECOND_DOCTOR)
RECEPTION, SUPERVISOR = "reception", "supervisor"
#: How often the counts must be the same, one look after the other, before everything is sent.
EQUAL_LOOKS = 3


@dataclass(frozen=True)
class Cost:
    """What one command costs: SQL statements and round trips, calls to Temporal by API and worker, and what the history grows by.

    On SQLite there are no round trips.
    """

    statements: int
    round_trips: int
    api_calls: int
    worker_calls: int
    events: int
    history_bytes: int

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(*(later - earlier for later, earlier in zip(self.numbers, other.numbers, strict=True)))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers in the order of the fields."""
        return (
            *(self.statements, self.round_trips, self.api_calls),
            *(self.worker_calls, self.events, self.history_bytes),
        )


class CountedClient:
    """A client of Temporal with the number of its calls. Calls that wait for work are not counted."""

    def __init__(self) -> None:
        self._buffer = MetricBuffer(METRIC_UPDATES)
        quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
        # Without the SDK's own heartbeats, which no command causes.
        self._runtime = Runtime(
            telemetry=TelemetryConfig(metrics=self._buffer, logging=quiet), worker_heartbeat_interval=None
        )
        self.calls: Counter[str] = Counter()

    async def connect(self, environment: WorkflowEnvironment, identity: str) -> Client:
        """Connect. A history has the `identity`, and the usual one has another length for each process and machine."""
        return await Client.connect(
            environment.client.service_client.config.target_host,
            namespace=environment.client.namespace,
            data_converter=DATA_CONVERTER,
            runtime=self._runtime,
            identity=identity,
        )

    def count(self) -> int:
        """The number of calls so far."""
        for update in self._buffer.retrieve_updates():
            operation = str(update.attributes.get("operation", ""))
            if update.metric.name in CALLS and not operation.startswith("Poll"):
                self.calls[operation] += int(update.value)
        return self.calls.total()


class CountedEngine:
    """The engine, clients of its staff, and the cost of what they send."""

    def __init__(self, temporal: WorkflowEnvironment, database: Database, sent: SentMessages, today: date) -> None:
        self._temporal = temporal
        self._database = database
        self._sent = sent
        self._today = today
        self.api_client, self.worker_client = CountedClient(), CountedClient()
        self.staff: dict[object, httpx.AsyncClient] = {}
        self.sessions: Sessions | None = None

    async def admit(self, patient: int) -> None:
        """Add a patient with an appointment today with each doctor."""

        def write(connection: Connection) -> None:
            connection.execute(insert(patients).values(id=patient, first_name="John", last_name="Doe"))
            rows = [
                {
                    "id": appointment_id(patient, doctor),
                    "patient_id": patient,
                    "doctor_id": doctor,
                    "prestation_id": 1,
                    "scheduled_at": clock(),
                    "status": AppointmentStatus.confirmed.value,
                }
                for doctor in DOCTORS
            ]
            connection.execute(insert(appointments), rows)

        await self._database.write(write)

    async def verify_sessions(self) -> None:
        """Look whether the cached sessions are still open, as an API process does every two seconds."""
        assert self.sessions is not None
        await self.sessions.find_open(())

    async def send(self, member: object, method: str, path: str, **content: Any) -> httpx.Response:
        """Send a request of this member of staff."""
        return await self.staff[member].request(method, path, **content)

    def statements(self) -> list[str]:
        """All statements so far, in their order."""
        return list(self._sent.statements)

    async def count(self, patient: int) -> Cost:
        """What everything has cost until now, once nothing more is sent. The history is that of this patient's visit of today."""
        looks = [await self._look(patient)]

        async def is_settled() -> bool:
            looks.append(await self._look(patient))
            return len(looks) > EQUAL_LOOKS and looks[-1] is not None and len(set(looks[-EQUAL_LOOKS:])) == 1

        await wait_until_async(is_settled, "the engine has sent everything for the command")
        cost = looks[-1]
        assert cost is not None
        return cost

    async def _look(self, patient: int) -> Cost | None:
        """The numbers now; None while the visit has a task."""
        length = size = 0
        try:
            handle = self._temporal.client.get_workflow_handle(visit_id(patient, self._today))
            description = (await handle.describe()).raw_description
            if description.HasField("pending_workflow_task"):
                return None
            length = description.workflow_execution_info.history_length
            size = description.workflow_execution_info.history_size_bytes
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return Cost(
            statements=len(self._sent.statements),
            round_trips=self._sent.round_trips,
            api_calls=self.api_client.count(),
            worker_calls=self.worker_client.count(),
            events=length,
            history_bytes=size,
        )


def appointment_id(patient: int, doctor: int) -> int:
    """The id of the patient's only appointment with this doctor."""
    return patient * 10 + doctor


@asynccontextmanager
async def counted_engine(temporal: WorkflowEnvironment, empty_database: Database) -> AsyncIterator[CountedEngine]:
    """Run the engine on an empty database with the newest schema."""
    settings = settings_with(timezone=morning_zone().key)
    today = settings.calendar.day_of(clock())
    async with AsyncExitStack() as stack:
        counted_url, sent = await stack.enter_async_context(_counted_database(empty_database))
        api_database, worker_database = Database(counted_url), Database(counted_url)
        for database in (api_database, worker_database):
            stack.push_async_callback(database.close)
        engine = CountedEngine(temporal, api_database, sent, today)
        task_queue = f"counted-{api_database.url.get_backend_name()}"
        client = await engine.api_client.connect(temporal, "api@hospital")
        worker_client = await engine.worker_client.connect(temporal, "worker@hospital")
        visits = VisitClient(client, task_queue, settings.calendar, settings.limits, clock)
        health = TemporalHealth(client, task_queue, clock)
        app = create_app(settings, api_database, visits, health, rescuer=VisitRescue(client, visits, task_queue))
        engine.sessions = app.dependencies.sessions
        stack.callback(engine.sessions.close)
        stack.callback(app.dependencies.authentication.close)
        stack.push_async_callback(app.dependencies.undecided_reports.close)
        for member, token in (await api_database.write(_insert_staff)).items():
            transport = httpx.ASGITransport(app)
            engine.staff[member] = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://api", cookies={COOKIE: token}, timeout=60)
            )
        await stack.enter_async_context(build(worker_client, task_queue, SqlLedger(worker_database)))
        yield engine


def _insert_staff(connection: Connection) -> dict[object, str]:
    """Add the doctors, reception and a supervisor. Returns the session token of each."""
    connection.execute(insert(doctors), [{"id": doctor, "name": f"Dr. {doctor}"} for doctor in DOCTORS])
    connection.execute(insert(prestations).values(id=1, name="Cardiology", exclusive=True, expected_minutes=20))
    members: dict[object, tuple[Role, int | None]] = {doctor: (Role.doctor, doctor) for doctor in DOCTORS}
    members |= {RECEPTION: (Role.reception, None), SUPERVISOR: (Role.supervisor, None)}
    tokens = {}
    for member, (role, doctor) in members.items():
        accounts.add_account(connection, str(member), "no hash", str(member), role, doctor)
        account = accounts.find_account(connection, str(member))
        assert account is not None
        tokens[member] = f"token-of-{member}"
        times = clock(), clock() + timedelta(hours=8)
        assert accounts.open_session(connection, account, hash_token(tokens[member]), "a place", *times)
    return tokens


@asynccontextmanager
async def _counted_database(database: Database) -> AsyncIterator[tuple[str, SentMessages]]:
    """Yields the URL to use, and what is sent to it."""
    if database.is_sqlite:
        with _counted_sqlite() as sent:
            yield database.url.render_as_string(), sent
        return
    assert database.url.host is not None
    counter = PostgresCounter(database.url.host, database.url.port or POSTGRES_PORT)
    port = await counter.start()
    try:
        yield database.url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False), counter.sent
    finally:
        await counter.close()


@contextmanager
def _counted_sqlite() -> Iterator[SentMessages]:
    """Count the statements of all SQLite connections that are opened in the block, with SQLite's own trace."""
    sent = SentMessages()

    def trace(statement: str) -> None:
        # SQLite reports the statements of a trigger as comments.
        if not statement.startswith("--"):
            sent.statements.append(" ".join(statement.split()))

    def listen(connection: Any, _record: Any) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.set_trace_callback(trace)

    event.listen(Engine, "connect", listen)
    try:
        yield sent
    finally:
        event.remove(Engine, "connect", listen)
