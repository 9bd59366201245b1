"""No name of a patient gets into an error, however a statement fails: errors reach logs and the history of visits."""

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
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.storage.tables import events, patients
from tests.support.builders import DR_AMRANI, JOHN_DOE, MIDNIGHT, NOON, a_start, an_appointment, seed
from tests.support.ledger import LedgerDriver

NAMES = ("John", "Doe", "Amrani")
MINE = an_appointment(DR_AMRANI)


def admit_again(connection: Connection) -> None:
    """A row that stands already."""
    connection.execute(insert(patients).values(id=JOHN_DOE.id, first_name="John", last_name="Doe"))


def tell_in_a_wrong_place(connection: Connection) -> None:
    """A value of a kind that the driver does not take."""
    values = {"seq": 1, "dedup_key": ("John", "Doe"), "at": NOON, "channel": "c", "name": "n", "data": "John Doe"}
    connection.execute(insert(events).values(**values, patient_id=JOHN_DOE.id))


def ask_for_what_is_not_there(connection: Connection) -> None:
    """A column that no table has."""
    connection.execute(text("SELECT nickname FROM patients WHERE last_name = :name"), {"name": "Doe"})


async def test_a_value_of_a_wrong_kind_is_not_quoted(on_sqlite: Database) -> None:
    """On PostgreSQL the driver itself quotes it: there this rests on the logs, which keep an exception's class alone."""
    await test_a_statement_that_fails_does_not_quote_its_values(on_sqlite, tell_in_a_wrong_place)


@pytest.mark.parametrize("unit", [admit_again, ask_for_what_is_not_there])
async def test_a_statement_that_fails_does_not_quote_its_values(database: Database, unit: Any) -> None:
    await database.write(seed)

    with pytest.raises(DBAPIError) as failed:
        await database.write(unit)

    words = "".join(traceback.format_exception(failed.value, limit=0))
    assert not any(name in words for name in NAMES)


#: A rule of the database's own whose words name a patient.
REFUSE_EVENTS = {
    "sqlite": ["CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no room for John Doe'); END"],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'no room for John Doe'; END$$",
        "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}


class Broken:
    """A ledger whose every word is a patient's name."""

    async def load(self, patient_id: int) -> Any:
        raise ValueError("John Doe")

    async def record(self, entry: Any) -> Any:
        raise ValueError("John Doe") from KeyError("Amrani")


async def test_what_an_activity_raises_names_the_kind_of_fault_and_nothing_else(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    activities = LedgerActivities(Broken())
    calls: list[tuple[Any, Any]] = [
        (activities.record_decision, LedgerDriver(database).entry(a_start(MINE))),
        (activities.load_facts, JOHN_DOE.id),
    ]

    with caplog.at_level(logging.DEBUG):
        for activity, question in calls:
            with pytest.raises(ApplicationError) as failed:
                await ActivityEnvironment().run(activity, question)

            assert failed.value.type == "ValueError"
            assert failed.value.__cause__ is None
            assert not any(name in str(failed.value) for name in NAMES)
    assert caplog.records
    assert not any(name in str(vars(record)) for record in caplog.records for name in NAMES)


async def test_a_database_that_fails_in_the_middle_is_reported_without_names(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse_events(connection: Connection) -> None:
        for statement in REFUSE_EVENTS[connection.dialect.name]:
            connection.exec_driver_sql(statement)

    await database.write(seed, MINE)
    await database.write(refuse_events)
    activities = LedgerActivities(Ledger(database))

    with caplog.at_level(logging.DEBUG), pytest.raises(ApplicationError) as failed:
        await ActivityEnvironment().run(
            activities.record_decision, LedgerDriver(database).entry(a_start(MINE), MIDNIGHT)
        )

    assert failed.value.type == "UnrecordableError"
    assert failed.value.non_retryable
    assert not any(name in str(failed.value) for name in NAMES)
    assert not any(name in record.getMessage() for record in caplog.records for name in NAMES)
