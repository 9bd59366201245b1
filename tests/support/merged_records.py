"""Makes two patient records one person, directly in the database."""

import json
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.tables import patient_merges, patient_trackings, patients, reservations, waiting_line
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING
from patient_visit_engine.storage.upkeep.audit_persons import MERGED
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event
from tests.support.builders import DAY, RECEPTIONIST


def make_one_person(connection: Connection, survivor_id: int, retired_id: int) -> bool:
    """Retire the record, with all records that were retired into it, and give what is open to the survivor.

    Returns whether both records were in an exclusive consultation.
    """
    tracking = patient_trackings.c
    is_busy = IS_RUNNING & tracking.exclusive & tracking.person_id.in_((survivor_id, retired_id))
    both_busy = connection.scalar(select(func.count(tracking.person_id.distinct())).where(is_busy)) == 2
    if both_busy:
        connection.execute(update(patient_trackings).where(is_busy).values(merged=True))
    for table in (patients, patient_trackings, waiting_line, reservations):
        of_retired = table.c.person_id == retired_id
        connection.execute(update(table).where(of_retired).values(person_id=survivor_id))
    return both_busy


def merge_records(connection: Connection, survivor_id: int, retired_id: int, at: datetime) -> None:
    """Make two records one person, with the merge's row and its event."""
    records = connection.scalars(select(patients.c.id).where(patients.c.person_id == retired_id)).all()
    both_busy = make_one_person(connection, survivor_id, retired_id)
    row = {
        "survivor_id": survivor_id,
        "retired_id": retired_id,
        "records": json.dumps([*records]),
        "merged_at": at,
        "visit_day": DAY,
        "both_in_consultation": both_busy,
        "caller_id": RECEPTIONIST,
    }
    connection.execute(insert(patient_merges).values(**row))
    data = {"retired": [*records], "both_in_consultation": both_busy}
    event = Event(MERGED, CONSULTATIONS, f"{MERGED}/{survivor_id}/{retired_id}", data, survivor_id)
    event_log.append(connection, [event], at)
