"""Makes two patient records one person, directly in the database."""

from sqlalchemy import Connection, update

from patient_visit_engine.storage.tables import patient_trackings, patients, reservations, waiting_line


def make_one_person(connection: Connection, survivor_id: int, retired_id: int) -> None:
    """Retire the record, with all records that were retired into it, and give what is open to the survivor."""
    for table in (patients, patient_trackings, waiting_line, reservations):
        of_retired = table.c.person_id == retired_id
        connection.execute(update(table).where(of_retired).values(person_id=survivor_id))
