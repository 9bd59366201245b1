"""A Temporal server for the whole session, and a clinic of its own for each test; it must not know what they are used for."""

import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.storage.database import Database
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows import patient_visit
from tests.support.temporal import start_server
from tests.support.visits import VisitDriver

SOON = timedelta(milliseconds=20)


@pytest.fixture(scope="session")
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """The server; a visit's time passes as everybody's until a test lets it skip."""
    async with await start_server() as env:
        with env.with_time_skipping_disabled():
            yield env


@pytest.fixture(scope="session")
def patients() -> Iterator[int]:
    """A new patient's id at each call: visits of several tests live on one server."""
    return itertools.count(1_001)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database: a visit decides the same on both."""
    opened: Database = request.getfixturevalue(f"on_{request.param}")
    return opened


@pytest.fixture(params=[CACHED_VISITS, 0], ids=["cached", "uncached"])
def cached_visits(request: pytest.FixtureRequest) -> int:
    """With none kept in memory, every message is decided by a visit that was just rebuilt from its history."""
    kept: int = request.param
    return kept


@pytest.fixture
async def unstaffed_clinic(
    temporal_server: WorkflowEnvironment, patients: Iterator[int], database: Database
) -> AsyncIterator[VisitDriver]:
    """A clinic whose worker the test hires itself."""
    clinic = VisitDriver(temporal_server, database, next(patients))
    await clinic.furnish()

    yield clinic

    clinic.ledger.reopen()
    await clinic.dismiss()


@pytest.fixture
async def clinic(unstaffed_clinic: VisitDriver, cached_visits: int) -> VisitDriver:
    """A clinic with a worker."""
    await unstaffed_clinic.hire(cached=cached_visits)
    return unstaffed_clinic


@pytest.fixture
def impatient_visits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visits try the ledger as often as they always do, but sooner: they give it up in a second instead of a minute."""
    patient = patient_visit.LEDGER_CALL["retry_policy"]
    hasty = dataclasses.replace(patient, initial_interval=SOON, maximum_interval=SOON)
    monkeypatch.setitem(patient_visit.LEDGER_CALL, "retry_policy", hasty)
    monkeypatch.setattr(patient_visit, "LEDGER_RETRY", 10 * SOON)
