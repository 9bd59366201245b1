"""Errors contain no name, birth date or record number, because they reach logs and workflow histories."""

import logging
import traceback
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import DBAPIError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from patient_visit_engine.activities.ledger import LedgerActivities
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.tables import events, patients
from tests.support.builders import DAY_END, DR_AMRANI, JOHN_DOE, NOON, an_appointment, seed
from tests.support.commands import a_start
from tests.support.ledger import LedgerDriver
from tests.support.refused_events import refuse_events

NAMES = ("John", "Doe", "Amrani", "1974-05", "P-017")
OF_AMRANI = an_appointment(DR_AMRANI)


def insert_patient_again(connection: Connection) -> None:
    """Insert a row that exists already."""
    connection.execute(
        insert(patients).values(id=JOHN_DOE.id, first_name="John", last_name="Doe", birth_date="1974-05")
    )


def insert_wrong_type(connection: Connection) -> None:
    """Insert a value of a type that the driver refuses."""
    values = {"seq": 1, "dedup_key": ("John", "Doe"), "at": NOON, "channel": "c", "name": "n", "data": "John Doe"}
    connection.execute(insert(events).values(**values, patient_id=JOHN_DOE.id))


def read_unknown_column(connection: Connection) -> None:
    """Select a column that does not exist."""
    values = {"name": "Doe", "number": "P-017"}
    connection.execute(
        text("SELECT nickname FROM patients WHERE last_name = :name AND record_number = :number"), values
    )


async def test_error_does_not_quote_value_of_wrong_type(on_sqlite: Database) -> None:
    """SQLite only. PostgreSQL's driver quotes the value; there the logs protect it, because they keep only an exception's class."""
    await test_failed_statement_does_not_quote_values(on_sqlite, insert_wrong_type)


@pytest.mark.parametrize("unit", [insert_patient_again, read_unknown_column])
async def test_failed_statement_does_not_quote_values(database: Database, unit: Any) -> None:
    await database.write(seed)

    with pytest.raises(DBAPIError) as caught:
        await database.write(unit)

    message = "".join(traceback.format_exception(caught.value, limit=0))
    assert not any(name in message for name in NAMES)


class FailingLedger:
    """A ledger that raises errors with names in them."""

    async def load(self, patient_id: int) -> Any:
        raise ValueError("John Doe, 1974-05")

    async def record(self, entry: Any) -> Any:
        raise ValueError("John Doe, P-017") from KeyError("Amrani")


async def test_activity_error_has_only_the_error_type(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    activities = LedgerActivities(FailingLedger())
    calls: list[tuple[Any, Any]] = [
        (activities.record_decision, LedgerDriver(database).entry(a_start(OF_AMRANI))),
        (activities.load_facts, JOHN_DOE.id),
    ]

    with caplog.at_level(logging.DEBUG):
        for activity, argument in calls:
            with pytest.raises(ApplicationError) as caught:
                await ActivityEnvironment().run(activity, argument)

            assert caught.value.type == "ValueError"
            assert caught.value.__cause__ is None
            assert not any(name in str(caught.value) for name in NAMES)
    assert caplog.records
    assert not any(name in str(vars(record)) for record in caplog.records for name in NAMES)


async def test_database_error_is_reported_without_names(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await database.write(seed, OF_AMRANI)
    await database.write(refuse_events)
    activities = LedgerActivities(SqlLedger(database))

    with caplog.at_level(logging.DEBUG), pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(
            activities.record_decision, LedgerDriver(database).entry(a_start(OF_AMRANI), DAY_END)
        )

    assert caught.value.type == "UnrecordableError"
    assert caught.value.non_retryable
    assert not any(name in str(caught.value) for name in NAMES)
    assert not any(name in record.getMessage() for record in caplog.records for name in NAMES)
