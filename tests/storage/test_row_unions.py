"""Several queries in one statement: each row has its part and the types of its columns."""

from datetime import date

import pytest
from sqlalchemy import Connection, insert, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.row_unions import Columns, fetch_parts, union_rows
from patient_visit_engine.storage.tables import appointments, doctors, patients, timeline
from tests.support.builders import DR_AMRANI, JOHN_DOE, NOON, seed
from tests.support.databases import database_on

database = database_on("sqlite", "postgres")


async def test_rows_keep_their_part_and_types(database: Database) -> None:
    union = union_rows(
        doctor=select(doctors.c.name, doctors.c.active).where(doctors.c.id == DR_AMRANI.id),
        entry=select(timeline.c.patient_id, timeline.c.visit_day, timeline.c.at),
        appointment=select(appointments.c.id),
    )

    def write_and_read(connection: Connection) -> dict[str, list[Columns]]:
        seed(connection)
        row = {"patient_id": JOHN_DOE.id, "visit_day": date(2026, 3, 2), "at": NOON, "event": "started"}
        connection.execute(insert(timeline).values(row))
        return fetch_parts(connection, union, {})

    absent = {"name": None, "active": None, "patient_id": None, "visit_day": None, "at": None, "id": None}
    assert await database.write(write_and_read) == {
        "doctor": [absent | {"part": "doctor", "name": DR_AMRANI.name, "active": True}],
        "entry": [absent | {"part": "entry", "patient_id": JOHN_DOE.id, "visit_day": date(2026, 3, 2), "at": NOON}],
    }


def test_columns_of_one_name_must_have_one_type() -> None:
    numbers, texts = select(patients.c.id), select(patients.c.first_name.label("id"))

    with pytest.raises(TypeError, match="'id'"):
        union_rows(number=numbers, text=texts)
