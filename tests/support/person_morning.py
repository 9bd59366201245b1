"""The hospital of a few persons in the morning: the rows with which each random day begins."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import metadata
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from tests.support.builders import CALENDAR, DAY, NOON
from tests.support.ledger import Rows, all_rows
from tests.support.person_model import (
    BookedAppointment,
)
from tests.support.person_visits import PersonVisits, insert_staff

RECORDS, DOCTORS = (1, 2, 3), (1, 2, 3)
EXCLUSIVE = {1: True, 2: True, 3: False}
#: The appointments that exist in the morning, by id: the record, the doctor and the prestation.
MORNING = {
    11: (1, 1, 1),
    12: (1, 2, 2),
    13: (1, 3, 3),
    21: (2, 2, 1),
    22: (2, 3, 2),
    31: (3, 3, 1),
    32: (3, 1, 1),
}


@dataclass(frozen=True)
class MorningHospital:
    """A database with the hospital of the morning. Each example begins with these rows."""

    database: Database
    rows: Rows
    loop: asyncio.AbstractEventLoop


async def open_morning(database: Database) -> MorningHospital:
    """Write the staff, the patients and the appointments of the morning."""
    await database.write(insert_staff, DOCTORS)
    visits = PersonVisits(database, Limits(), CALENDAR.starts_at(DAY))
    for prestation, exclusive in EXCLUSIVE.items():
        await visits.feed_prestation(prestation, exclusive=exclusive)
    for record in RECORDS:
        await visits.feed_patient(record, "Santos")
    for number, (record, doctor, prestation) in MORNING.items():
        appointment = BookedAppointment(record, doctor, prestation, NOON, AppointmentStatus.confirmed)
        assert await visits.feed_appointment(number, appointment) == (201, None)
    return MorningHospital(database, await database.read(all_rows), asyncio.get_running_loop())


def restore(connection: Connection, rows: Rows) -> None:
    """Put back all rows of all tables."""
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))
    for table in metadata.sorted_tables:
        if rows[table.name]:
            columns = table.columns.keys()
            connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows[table.name]])
