"""Reads to which person a patient record belongs: the survivor, the records that were merged into it, and the merge that retired it."""

import json

from sqlalchemy import Connection, Row, bindparam, select

from patient_visit_engine.storage.facts import read_facts
from patient_visit_engine.storage.tables import patient_merges, patients
from patient_visit_engine.visit.person_records import SeenRecord, StoredMerge

PERSON_OF_RECORD = select(patients.c.person_id).where(patients.c.id == bindparam("record_id"))
RECORDS_OF_PERSON = select(patients.c.id).where(patients.c.person_id == bindparam("person_id"))
#: The merges that stand, of the records of a person. There is one for each retired record.
MERGES_OF_PERSON = (
    select(patient_merges)
    .join(patients, patients.c.id == patient_merges.c.retired_id)
    .where(patients.c.person_id == bindparam("person_id"), patient_merges.c.separated_at.is_(None))
)


def find_person(connection: Connection, record_id: int) -> int | None:
    """The survivor of this record, or None for an unknown record. A record that is not merged is its own survivor."""
    return connection.scalar(PERSON_OF_RECORD, {"record_id": record_id})


def read_record(connection: Connection, record_id: int) -> SeenRecord | None:
    """The record as it is now, or None for an unknown one. Its facts are read only when it is a survivor."""
    person_id = find_person(connection, record_id)
    if person_id is None:
        return None
    person = {"person_id": person_id}
    if person_id == record_id:
        record_ids = connection.scalars(RECORDS_OF_PERSON, person).all()
        facts = read_facts(connection, record_id)
        return SeenRecord(id=record_id, person_id=person_id, record_ids=tuple(sorted(record_ids)), facts=facts)
    merges = {row.retired_id: row for row in connection.execute(MERGES_OF_PERSON, person)}
    survivors = {retired_id: row.survivor_id for retired_id, row in merges.items()}
    return SeenRecord(
        id=record_id,
        person_id=person_id,
        record_ids=_merged_into(record_id, survivors),
        merge=_stored_merge(merges[record_id]) if record_id in merges else None,
    )


def _merged_into(record_id: int, survivors: dict[int, int]) -> tuple[int, ...]:
    """The record, and those that were merged into it, directly or through another one.

    `survivors` maps each retired record to the record that its merge named.
    """
    record_ids, count = {record_id}, 0
    while len(record_ids) > count:
        count = len(record_ids)
        record_ids |= {retired_id for retired_id, survivor_id in survivors.items() if survivor_id in record_ids}
    return tuple(sorted(record_ids))


def _stored_merge(row: Row[tuple[object, ...]]) -> StoredMerge:
    return StoredMerge(
        survivor_id=row.survivor_id,
        retired=tuple(json.loads(row.records)),
        day=row.visit_day,
        both_in_consultation=row.both_in_consultation,
    )
