"""The application in process on a real database, with visits that decide by the real rules but without Temporal."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import Connection, func, select

from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.storage.tables import metadata
from patient_visit_engine.visit.calendar import day_ends_at
from patient_visit_engine.visit.commands import Command, appointment_of
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.workflows.visit_client import DayClosedError
from tests.support.builders import (
    CARDIOLOGY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    X_RAY,
    ZONE,
    an_appointment,
    seed,
)

SECRET = "a secret of more than sixty-four bytes, which is enough for any of HMAC, for tests alone"

JOHNS = an_appointment(DR_AMRANI, number=1)
JOHNS_OTHER = an_appointment(DR_OKAFOR, number=2, prestation=DERMATOLOGY)
JOHNS_XRAY = an_appointment(DR_SMITH, number=3, prestation=X_RAY)
MARIAS = an_appointment(DR_AMRANI, number=4, patient=MARIA_SILVA, prestation=CARDIOLOGY)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **much: float) -> None:
        self.at += timedelta(**much)


@dataclass
class Visits:
    """Decides at once, by the rules and in the ledger; `away` is Temporal being away."""

    ledger: Ledger
    now: Clock
    away: bool = False
    signals: list[tuple[Command, date]] = field(default_factory=list)
    sent: list[Command] = field(default_factory=list)

    async def send(self, patient: int, day: date, command: Command, update_id: str | None = None) -> None:
        if self.away:
            raise TimeoutError
        assert update_id is not None, "the ledger lost what it had recorded"
        self.sent.append(command)
        facts = await self.ledger.load(patient)
        state = VisitState(patient_id=patient, day=day, day_ends_at=day_ends_at(day, ZONE), facts=facts)
        entry = LedgerEntry(
            patient_id=patient,
            day=day,
            decision=decide(state, command, self.now()),
            seen=facts,
            request=command.request,
            appointment=appointment_of(command),
        )
        if (await self.ledger.record(entry)).overtaken:
            raise DayClosedError

    async def signal(self, patient: int, day: date, command: Command) -> None:
        if self.away:
            raise TimeoutError
        self.signals.append((command, day))

    async def is_reachable(self) -> bool:
        return not self.away


@dataclass
class Clinic:
    """The application and those who speak to it."""

    app: Gateway
    database: Database
    visits: Visits
    clock: Clock
    settings: Settings
    stack: AsyncExitStack

    def token(self, role: str, doctor_id: int | None = None, **claims: Any) -> str:
        said = {"sub": f"{role}-{doctor_id}", "role": role, "name": f"A {role}", "exp": NOON + timedelta(hours=8)}
        said |= {} if doctor_id is None else {"doctor_id": doctor_id}
        return jwt.encode({name: value for name, value in (said | claims).items() if value is not ...}, SECRET, "HS256")

    async def anyone(self, base_url: str = "http://clinic", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app)
        return await self.stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers)
        )

    async def staff(self, role: str, doctor_id: int | None = None, **claims: Any) -> httpx.AsyncClient:
        return await self.anyone(Authorization=f"Bearer {self.token(role, doctor_id, **claims)}")

    async def doctor(self, doctor_id: int = DR_AMRANI.id) -> httpx.AsyncClient:
        return await self.staff("doctor", doctor_id)

    async def everything(self) -> dict[str, list[Any]]:
        """All rows of all tables, but for who has asked so far."""

        def dump(connection: Connection) -> dict[str, list[Any]]:
            kept = [table for table in metadata.sorted_tables if table.name != "callers"]
            return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in kept}

        return await self.database.read(dump)

    async def count(self, table: Any) -> int:
        def counted(connection: Connection) -> int:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

        return await self.database.read(counted)


def a_start(appointment: Any = JOHNS, **more: Any) -> dict[str, Any]:
    """The body of a start of this appointment."""
    return {
        "appointment_id": appointment.id,
        "patient_id": appointment.patient_id,
        "doctor_id": appointment.doctor_id,
        **more,
    }


def settings_with(**named: Any) -> Settings:
    """Settings of a clinic in Paris that trusts the tests' secret."""
    return Settings(_env_file=None, **({"timezone": "Europe/Paris", "jwt_secret": SECRET} | named))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database with the newest schema: what a call answers does not depend on which."""
    opened: Database = request.getfixturevalue(f"on_{request.param}")
    return opened


@pytest.fixture
async def opening(database: Database) -> AsyncIterator[Callable[..., Any]]:
    """Opens a clinic with settings of its own."""
    async with AsyncExitStack() as stack:

        async def opened(**named: Any) -> Clinic:
            await database.write(seed, JOHNS, JOHNS_OTHER, JOHNS_XRAY, MARIAS)
            clock, settings = Clock(), settings_with(**named)
            visits = Visits(Ledger(database), clock)
            app = create_app(settings, database, visits, visits, now=clock)  # type: ignore[arg-type]
            stack.callback(app.parts.sessions.close)
            return Clinic(app, database, visits, clock, settings, stack)

        yield opened


@pytest.fixture
async def clinic(opening: Callable[..., Any]) -> Clinic:
    """John Doe has three appointments today, Maria Silva has one; it is noon."""
    opened: Clinic = await opening()
    return opened
