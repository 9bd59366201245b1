"""Fixtures: one Temporal server for all tests, and a patient with a worker for each test."""

import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.storage.database import Database
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows import ledger_calls
from tests.support.databases import database_on
from tests.support.temporal import start_server
from tests.support.visits import VisitDriver

SHORT_INTERVAL = timedelta(milliseconds=20)


@pytest.fixture(scope="package")
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """A server on which the time of a visit passes normally until the test skips time."""
    async with await start_server() as environment:
        with environment.with_time_skipping_disabled():
            yield environment


@pytest.fixture(autouse=True)
def no_deadlock_detection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a workflow task take longer than two seconds, as it can on a busy machine. The SDK would interrupt it and fail."""
    monkeypatch.setenv("TEMPORAL_DEBUG", "1")


@pytest.fixture(scope="session")
def patients() -> Iterator[int]:
    """Gives each test a new patient id, because all tests share one server."""
    return itertools.count(1_001)


database = database_on("sqlite", "postgres")


@pytest.fixture
def cached_visits(database: Database) -> int:
    """How many visits the worker keeps in memory: many on PostgreSQL, and 0 on SQLite.

    With 0 it rebuilds the visit from its history for every message. Each is tested once, because the database and this memory
    do not depend on each other.
    """
    return 0 if database.is_sqlite else CACHED_VISITS


@pytest.fixture
async def visits_without_worker(
    temporal_server: WorkflowEnvironment, patients: Iterator[int], database: Database
) -> AsyncIterator[VisitDriver]:
    """A driver for a test that starts the worker itself."""
    driver = VisitDriver(temporal_server, database, next(patients))
    await driver.insert_patient()

    yield driver

    driver.ledger.unblock()
    await driver.stop_worker()


@pytest.fixture
async def visits(visits_without_worker: VisitDriver, cached_visits: int) -> VisitDriver:
    """A driver with a running worker."""
    await visits_without_worker.start_worker(cached=cached_visits)
    return visits_without_worker


@pytest.fixture
def short_first_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call to a ledger that is away is retried as often as in production, but it takes less than a second."""
    short_retries = dataclasses.replace(
        ledger_calls.RETRIES, initial_interval=SHORT_INTERVAL, maximum_interval=SHORT_INTERVAL
    )
    monkeypatch.setattr(ledger_calls, "RETRIES", short_retries)


@pytest.fixture
def short_ledger_retries(monkeypatch: pytest.MonkeyPatch, short_first_retries: None) -> None:
    """Visits give up a call to the ledger, and pause after it, for less than a second."""
    monkeypatch.setattr(ledger_calls, "FIRST_PAUSE", 10 * SHORT_INTERVAL)
    monkeypatch.setattr(ledger_calls, "LONGEST_PAUSE", 10 * SHORT_INTERVAL)


@pytest.fixture
def endless_ledger_pauses(monkeypatch: pytest.MonkeyPatch, short_first_retries: None) -> None:
    """A visit whose ledger failed pauses for longer than any test."""
    monkeypatch.setattr(ledger_calls, "FIRST_PAUSE", timedelta(hours=1))
    monkeypatch.setattr(ledger_calls, "LONGEST_PAUSE", timedelta(hours=1))
