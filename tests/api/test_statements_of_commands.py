"""The statements of the API on PostgreSQL, before a command is sent to its visit."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from patient_visit_engine.api.app import create_app
from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.visit.codes import Role
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, Clock, LedgerVisits, settings_with, start_body
from tests.support.builders import DR_AMRANI, seed
from tests.support.passwords import WEAK_HASH
from tests.support.postgres_wire import PostgresWire, wired

AMRANI = {"username": "amrani", "password": "correct horse"}
WireAndApi = tuple[PostgresWire, ApiDriver]


@pytest.fixture
async def wire_and_api(on_postgres: Database) -> AsyncIterator[WireAndApi]:
    """The application behind a relay. Its visits write to the database without the relay."""
    await on_postgres.write(seed, JOHN_CARDIOLOGY)
    hashed = WEAK_HASH.hash(AMRANI["password"])
    await on_postgres.write(accounts.add_account, "amrani", hashed, "Dr. Amrani", Role.doctor, DR_AMRANI.id)
    async with wired(on_postgres) as (wire, database), AsyncExitStack() as stack:
        clock, settings = Clock(), settings_with()
        visits = LedgerVisits(SqlLedger(on_postgres), clock)
        app = create_app(settings, database, visits, visits, now=clock)
        stack.callback(app.dependencies.sessions.close)
        yield wire, ApiDriver(app, database, visits, clock, settings, stack)


async def test_start_of_signed_in_doctor_looks_up_two_rows(
    wire_and_api: WireAndApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, api = wire_and_api
    doctor = await api.anyone()
    assert (await doctor.post("/api/session", json=AMRANI)).status_code == 204
    # The first start registers the caller, caches the session and prepares the statements.
    assert (await doctor.post("/api/consultations", json=start_body())).status_code == 201
    sent: list[tuple[list[str], int]] = []
    send = api.visits.send

    async def note_and_send(*arguments: Any) -> None:
        sent.append((list(wire.statements), wire.round_trips))
        await send(*arguments)

    monkeypatch.setattr(api.visits, "send", note_and_send)
    wire.reset()

    assert (await doctor.post("/api/consultations", json=start_body())).status_code == 200

    ((statements, round_trips),) = sent
    assert ["appointments" in statements[0], "requests" in statements[1]] == [True, True]
    assert (len(statements), round_trips) == (2, 2)


async def test_read_of_signed_in_doctor_is_one_statement(wire_and_api: WireAndApi) -> None:
    wire, api = wire_and_api
    doctor = await api.anyone()
    await doctor.post("/api/session", json=AMRANI)
    path = (await doctor.post("/api/consultations", json=start_body())).headers["location"]
    await doctor.get(path)
    wire.reset()

    assert (await doctor.get(path)).status_code == 200

    assert (len(wire.statements), wire.round_trips) == (1, 1)
