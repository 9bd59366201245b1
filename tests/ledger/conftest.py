"""Fixtures: each test runs on SQLite and on PostgreSQL."""

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.databases import database_on
from tests.support.ledger import LedgerDriver
from tests.support.sweep_driver import SweepDriver

database = database_on("sqlite", "postgres")


@pytest.fixture
def ledger(database: Database) -> LedgerDriver:
    """The ledger driver of John Doe on DAY."""
    return LedgerDriver(database)


@pytest.fixture
def driver(database: Database) -> SweepDriver:
    """A sweep, one minute after noon."""
    return SweepDriver(database)
