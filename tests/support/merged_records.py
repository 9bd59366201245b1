"""Makes two patient records one person, directly in the database."""

from sqlalchemy import Connection, func, select, update

from patient_visit_engine.storage.tables import patient_trackings, patients, reservations, waiting_line
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING


def make_one_person(connection: Connection, survivor_id: int, retired_id: int) -> None:
    """Retire the record, with all records that were retired into it, and give what is open to the survivor."""
    tracking = patient_trackings.c
    is_busy = IS_RUNNING & tracking.exclusive & tracking.person_id.in_((survivor_id, retired_id))
    if connection.scalar(select(func.count(tracking.person_id.distinct())).where(is_busy)) == 2:
        connection.execute(update(patient_trackings).where(is_busy).values(merged=True))
    for table in (patients, patient_trackings, waiting_line, reservations):
        of_retired = table.c.person_id == retired_id
        connection.execute(update(table).where(of_retired).values(person_id=survivor_id))
