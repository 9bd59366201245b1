"""Prepared statements write and read the same as SQLAlchemy, and raise the same errors."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, literal, select, text, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError, OperationalError, ProgrammingError, StatementError

from patient_visit_engine.storage.database import Database, is_unavailable
from patient_visit_engine.storage.prepared_statements import PreparedQuery, PreparedWrite
from patient_visit_engine.storage.tables import patient_trackings, timeline
from tests.support.builders import DAY, NOON, an_appointment, seed
from tests.support.databases import database_on

database = database_on("sqlite", "postgres")

APPOINTMENT = an_appointment()
INSERT = PreparedWrite(insert(patient_trackings))
SELECT = select(patient_trackings).where(patient_trackings.c.consultation_id == bindparam("consultation"))
BY_CONSULTATION = PreparedQuery(SELECT)
END = PreparedWrite(
    update(patient_trackings)
    .where(patient_trackings.c.consultation_id == bindparam("consultation"))
    .where(patient_trackings.c.status == "in_progress")
)
#: A column of each type: number, text, truth value, day, and a time that is not in UTC.
ROW: dict[str, Any] = {
    "patient_id": APPOINTMENT.patient_id,
    "person_id": APPOINTMENT.patient_id,
    "appointment_id": APPOINTMENT.id,
    "prestation_id": APPOINTMENT.prestation_id,
    "doctor_id": APPOINTMENT.doctor_id,
    "exclusive": True,
    "visit_day": DAY,
    "status": "in_progress",
    "check_in_time": NOON.astimezone(),
    "created_by": 1,
    "consultation_id": "a",
    "started_at": datetime(2026, 3, 2, 9, 5, 3, 7_000, UTC),
    "reminders": 0,
    "checked_in": False,
}


@pytest.fixture
async def seeded_database(database: Database) -> Database:
    await database.write(lambda connection: seed(connection, APPOINTMENT))
    return database


def row_in_sqlalchemy(connection: Connection) -> dict[str, Any]:
    """The row with the consultation `a`, as SQLAlchemy reads it."""
    return dict(connection.execute(SELECT, {"consultation": "a"}).mappings().one())


async def test_inserted_row_is_that_of_sqlalchemy(seeded_database: Database) -> None:
    def write(connection: Connection) -> tuple[int, dict[str, Any]]:
        return INSERT.insert_row(connection, ROW), row_in_sqlalchemy(connection)

    tracking_id, row = await seeded_database.write(write)

    assert {name: row[name] for name in ROW} == ROW
    assert row["id"] == tracking_id


async def test_stored_texts_are_those_of_sqlalchemy(seeded_database: Database) -> None:
    """Queries compare times as texts on SQLite."""

    def write(connection: Connection) -> list[tuple[Any, ...]]:
        columns: list[Any] = []
        for write_row in (
            INSERT.insert_row,
            lambda connection, row: connection.execute(insert(patient_trackings), row),
        ):
            write_row(connection, ROW)
            columns += connection.exec_driver_sql(
                "SELECT check_in_time, visit_day, exclusive FROM patient_trackings"
            ).all()
            connection.execute(delete(patient_trackings))
        return [tuple(row) for row in columns]

    prepared, by_sqlalchemy = await seeded_database.write(write)

    assert prepared == by_sqlalchemy


async def test_rows_are_those_of_sqlalchemy(seeded_database: Database) -> None:
    await seeded_database.write(lambda connection: connection.execute(insert(patient_trackings), ROW) and None)

    rows = await seeded_database.read(lambda connection: BY_CONSULTATION.rows(connection, {"consultation": "a"}))

    assert rows == [await seeded_database.read(row_in_sqlalchemy)]
    assert await seeded_database.read(lambda connection: BY_CONSULTATION.rows(connection, {"consultation": "b"})) == []


async def test_update_writes_the_columns_of_its_values(seeded_database: Database) -> None:
    def write(connection: Connection) -> tuple[int, int, int, dict[str, Any]]:
        INSERT.insert_row(connection, ROW)
        reminded = END.execute(connection, {"consultation": "a", "reminders": 1}).rowcount
        ended = {"status": "completed", "outcome": "done", "check_out_time": NOON}
        first = END.execute(connection, {"consultation": "a", **ended}).rowcount
        second = END.execute(connection, {"consultation": "a", **ended}).rowcount
        return reminded, first, second, row_in_sqlalchemy(connection)

    reminded, first, second, row = await seeded_database.write(write)

    assert (reminded, first, second) == (1, 1, 0)
    assert (row["reminders"], row["outcome"], row["check_out_time"]) == (1, "done", NOON)


async def test_each_row_is_inserted(seeded_database: Database) -> None:
    entry = {"patient_id": APPOINTMENT.patient_id, "visit_day": DAY, "at": NOON, "particulars": "{}"}
    insert_entries = PreparedWrite(insert(timeline))

    await seeded_database.write(
        lambda connection: insert_entries.execute_each(connection, [{**entry, "event": "a"}, {**entry, "event": "b"}])
    )

    rows = await seeded_database.read(
        lambda connection: connection.execute(select(timeline.c.event, timeline.c.at).order_by(timeline.c.id)).all()
    )
    assert [tuple(row) for row in rows] == [("a", NOON), ("b", NOON)]


async def test_raises_the_errors_of_sqlalchemy(seeded_database: Database) -> None:
    await seeded_database.write(lambda connection: INSERT.insert_row(connection, ROW))
    missing = PreparedQuery(select(literal(1).label("one")).where(text("no_such_column = 1")))

    with pytest.raises(IntegrityError):
        await seeded_database.write(lambda connection: INSERT.insert_row(connection, ROW))
    # A locked file has the same class on SQLite. The driver's error tells them apart.
    with pytest.raises(OperationalError if seeded_database.is_sqlite else ProgrammingError) as error:
        await seeded_database.read(lambda connection: missing.rows(connection, {}))

    assert not is_unavailable(error.value)


async def test_refuses_a_missing_value(seeded_database: Database) -> None:
    def write(connection: Connection) -> None:
        END.execute(connection, {"reminders": 1})

    with pytest.raises((InvalidRequestError, StatementError), match="consultation"):
        await seeded_database.write(write)


async def test_refuses_a_default_of_python(on_sqlite: Database) -> None:
    without_reminders = {name: value for name, value in ROW.items() if name != "reminders"}

    with pytest.raises(TypeError, match="reminders"):
        await on_sqlite.write(lambda connection: INSERT.insert_row(connection, without_reminders))
