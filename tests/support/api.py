"""The HTTP application in the test's own process, on a real database. Visits decide by the real rules, but without Temporal."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, TypeAlias

import httpx
import jwt
from sqlalchemy import Connection, func, select
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.api.readiness import SILENT_TEMPORAL, Problems
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.tables import metadata
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.commands import (
    Command,
    UndoCommand,
    appointment_of,
    call_of,
    day_of,
    keeps_refusal,
    named_record_of,
    past_tracking_of,
    required_version,
    retired_record_of,
    walk_in_of,
    with_busy_doctor,
    with_call,
    with_day,
    with_past_tracking,
    with_patient,
    with_retired_record,
    with_walk_in,
)
from patient_visit_engine.visit.facts import Consultation, Facts
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.policy import decide_on_appointment
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply, new_person
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.visit_messages import Reply
from patient_visit_engine.workflows.update_failures import expired
from patient_visit_engine.workflows.visit_errors import DayClosedError
from tests.support.builders import (
    CALENDAR,
    CARDIOLOGY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    X_RAY,
    an_appointment,
)

SECRET = "a secret of more than sixty-four bytes, which is enough for any of HMAC, for tests alone"

# The appointments of the day. Two of John Doe's are exclusive, the X-ray is not.
JOHN_CARDIOLOGY = an_appointment(DR_AMRANI, number=1)
JOHN_DERMATOLOGY = an_appointment(DR_OKAFOR, number=2, prestation=DERMATOLOGY)
JOHN_X_RAY = an_appointment(DR_SMITH, number=3, prestation=X_RAY)
MARIA_CARDIOLOGY = an_appointment(DR_AMRANI, number=4, patient=MARIA_SILVA, prestation=CARDIOLOGY)


#: How often a command is decided again. The second time it can depend on what its sender did not read.
MAX_ROUNDS = 2


class Clock:
    """A clock that shows noon until the test moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **much: float) -> None:
        """Move the clock forward, with the arguments of `timedelta`."""
        self.at += timedelta(**much)


def _an_hour_late(command: Command) -> Command:
    """The command with a stamp that is an hour older, because no test can move the database's clock."""
    stamp = {
        name: None if moment is None else moment - timedelta(hours=1)
        for name, moment in (("asked_at", command.request.asked_at), ("valid_until", command.request.valid_until))
    }
    return command.model_copy(update={"request": command.request.model_copy(update=stamp)})


def _on_test_clock(command: Command, facts: Facts, at: datetime) -> tuple[Command, Facts]:
    """What a database with the test's clock would have stamped. The limits of people count from these times."""
    if not isinstance(command, UndoCommand):
        return command, facts
    assert command.request.asked_at is not None
    shift = at - command.request.asked_at
    stamped = command.model_copy(update={"request": command.request.model_copy(update={"asked_at": at})})
    moved = {"in_progress": _moved(facts.in_progress, shift), "paused": _moved(facts.paused, shift)}
    return stamped, facts.model_copy(update=moved)


def _moved(consultations: tuple[Consultation, ...], shift: timedelta) -> tuple[Consultation, ...]:
    return tuple(
        each if each.changed_at is None else each.model_copy(update={"changed_at": each.changed_at + shift})
        for each in consultations
    )


@dataclass
class LedgerVisits:
    """Stands in for the client of Temporal. Decides each command directly, and records it in the ledger.

    While `away` is true, every call fails as it does when Temporal cannot be reached. While `late` is true, commands
    reach the ledger an hour after they were asked.
    """

    ledger: SqlLedger
    now: Clock
    away: bool = False
    late: bool = False
    signals: list[tuple[Command, date]] = field(default_factory=list)
    sent: list[Command] = field(default_factory=list)
    #: The retired records whose visits were ended.
    retired: list[tuple[int, date]] = field(default_factory=list)
    #: The commands that got no answer, while `away` was true.
    unanswered: list[Command] = field(default_factory=list)

    async def send(self, patient_id: int, day: date, command: Command | Adopt, update_id: str | None = None) -> Reply:
        assert update_id is not None, "the ledger lost the answer"
        assert not isinstance(command, Adopt)
        if self.away:
            self.unanswered.append(command)
            raise TimeoutError
        self.sent.append(command)
        if self.late:
            command = _an_hour_late(command)
        recorded = await self._record(patient_id, day, command)
        if (person_id := new_person(command, recorded)) is not None:
            patient_id = person_id
            command = with_patient(command, patient_id)
            recorded = await self._record(patient_id, day, command)
        for _ in range(MAX_ROUNDS):
            if not recorded.overtaken:
                break
            command = with_retired_record(with_busy_doctor(command, recorded.busy_with), recorded.retired)
            command = with_walk_in(command, recorded.walk_in)
            command = with_day(with_past_tracking(command, recorded.past), recorded.day_appointments)
            command = with_call(command, recorded.call)
            recorded = await self._record(patient_id, day, command, recorded.appointment)
        if recorded.overtaken:
            raise DayClosedError
        if recorded.expired:
            raise WorkflowUpdateFailedError(expired())
        return Reply(decided=True, answer=recorded.answer, code=recorded.code)

    async def _record(
        self, patient_id: int, day: date, command: Command, newer: Appointment | None = None
    ) -> LedgerReply:
        appointment = newer or appointment_of(command)
        seen = await self.ledger.load(patient_id)
        stamped, facts = _on_test_clock(command, seen, self.now())
        state = VisitState(
            patient_id=patient_id,
            day=day,
            day_starts_at=CALENDAR.starts_at(day),
            day_ends_at=CALENDAR.ends_at(day),
            yesterday_starts_at=CALENDAR.hospital_day(day).yesterday_starts_at,
            facts=facts,
        )
        entry = LedgerEntry(
            patient_id=patient_id,
            day=day,
            decision=decide_on_appointment(stamped, appointment, state, self.now()),
            seen=seen,
            request=command.request,
            appointment=appointment,
            retired=retired_record_of(command),
            past=past_tracking_of(command),
            day_appointments=day_of(command),
            walk_in=walk_in_of(command),
            call=call_of(command),
            keeps_refusal=keeps_refusal(command),
            day_starts_at=state.day_starts_at,
            yesterday_starts_at=state.yesterday_starts_at,
            version=required_version(command),
            record_id=named_record_of(command),
        )
        return await self.ledger.record(entry)

    async def signal(self, patient_id: int, day: date, command: Command) -> None:
        if self.away:
            raise TimeoutError
        self.signals.append((command, day))

    async def end_retired(self, patient_id: int, day: date) -> None:
        if self.away:
            raise TimeoutError
        self.retired.append((patient_id, day))

    async def find_problems(self) -> Problems:
        return SILENT_TEMPORAL if self.away else {}


@dataclass
class ApiDriver:
    """The application, and HTTP clients for people in each role."""

    app: Gateway
    database: Database
    visits: LedgerVisits
    clock: Clock
    settings: Settings
    stack: AsyncExitStack

    def token(self, role: str, doctor_id: int | None = None, **claims: Any) -> str:
        """A valid bearer token. `claims` replaces single claims; a claim of `...` is left out."""
        payload = {"sub": f"{role}-{doctor_id}", "role": role, "name": f"A {role}", "exp": NOON + timedelta(hours=8)}
        payload |= {} if doctor_id is None else {"doctor_id": doctor_id}
        return jwt.encode(
            {name: claim for name, claim in (payload | claims).items() if claim is not ...}, SECRET, "HS256"
        )

    async def anyone(self, base_url: str = "http://api", **headers: str) -> httpx.AsyncClient:
        """A client that is not signed in."""
        transport = httpx.ASGITransport(self.app)
        return await self.stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers)
        )

    async def staff(self, role: str, doctor_id: int | None = None, **claims: Any) -> httpx.AsyncClient:
        """A client with a bearer token of this role."""
        return await self.anyone(Authorization=f"Bearer {self.token(role, doctor_id, **claims)}")

    async def doctor(self, doctor_id: int = DR_AMRANI.id) -> httpx.AsyncClient:
        return await self.staff("doctor", doctor_id)

    async def read_worklist(self, query: str = "", doctor_id: int = DR_AMRANI.id) -> dict[str, Any]:
        """The worklist as this doctor gets it. `query` is the query string with its `?`."""
        answer = await (await self.doctor(doctor_id)).get(f"/api/appointments{query}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def all_rows(self) -> dict[str, list[Any]]:
        """All rows of all tables except `callers`, which every first request of a caller writes to."""

        def read_all(connection: Connection) -> dict[str, list[Any]]:
            tables = [table for table in metadata.sorted_tables if table.name != "callers"]
            return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in tables}

        return await self.database.read(read_all)

    async def count(self, table: Any) -> int:
        """The number of rows of a table."""

        def count_rows(connection: Connection) -> int:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

        return await self.database.read(count_rows)


#: Opens the application with other settings, given by name.
ApiOpener: TypeAlias = Callable[..., Awaitable[ApiDriver]]


def appointment_ids(worklist: dict[str, Any]) -> list[int]:
    """The ids of the appointments of a worklist, in its order."""
    return [item["appointment_id"] for item in worklist["items"]]


def start_body(appointment: Any = JOHN_CARDIOLOGY, **fields: Any) -> dict[str, Any]:
    """The body of a request to start this appointment."""
    return {
        "appointment_id": appointment.id,
        "patient_id": appointment.patient_id,
        "doctor_id": appointment.doctor_id,
        **fields,
    }


def settings_with(**settings: Any) -> Settings:
    """Settings of a hospital in Paris that accepts tokens signed with `SECRET`."""
    return _settings_of(tuple(settings.items()))


# Settings are frozen, so tests can share them. Reading all variables takes longer than building the application.
@cache
def _settings_of(settings: tuple[tuple[str, Any], ...]) -> Settings:
    return Settings(_env_file=None, **({"timezone": "Europe/Paris", "jwt_secret": SECRET} | dict(settings)))
