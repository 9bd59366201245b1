"""The part of the audit about merged records: marks, and the person of each row. Reads the tables, writes nothing."""

from collections.abc import Callable

from sqlalchemy import Connection, and_, case, exists, func, select

from patient_visit_engine.storage.tables import (
    events,
    patient_merges,
    patient_trackings,
    patients,
    reservations,
    waiting_line,
)
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING
from patient_visit_engine.storage.upkeep.audit_persons import CHANGES_OF_PERSONS, PersonChange, Persons

#: Gets the kind of a violation and a description.
AddViolation = Callable[[str, str], None]

TRACKING = patient_trackings.c
MERGE = patient_merges.c
#: A merge that was not undone.
STANDS = MERGE.separated_at.is_(None)
RECORD = patients.alias("record")
SURVIVOR = patients.alias("survivor")


def read_persons_before_log(connection: Connection) -> Persons:
    """The persons before the oldest event of the log: those of now, without the merges and separations in the log."""
    retired = select(patients.c.id, patients.c.person_id).where(patients.c.id != patients.c.person_id)
    of_record = {row.id: row.person_id for row in connection.execute(retired)}
    is_change = events.c.name.in_(CHANGES_OF_PERSONS)
    query = select(events.c.name, events.c.patient_id, events.c.data).where(is_change).order_by(events.c.seq.desc())
    changes = []
    for row in connection.execute(query):
        try:
            changes.append(PersonChange.parse(row.name, row.patient_id, row.data))
        except (ValueError, KeyError, TypeError):
            # The reader of the log reports it.
            continue
    return Persons.before(changes, of_record)


def check_exclusive_consultations(connection: Connection, add_violation: AddViolation) -> list[str]:
    """Count the exclusive consultations of each person, without relying on the index or on marks alone.

    Returns a description of each merge of two records that were both in consultation. The rule allows these consultations.
    """
    marked = func.sum(case((TRACKING.merged, 1), else_=0))
    counts = (
        select(TRACKING.person_id, func.count(), marked)
        .where(IS_RUNNING, TRACKING.exclusive)
        .group_by(TRACKING.person_id)
        .having((func.count() > 1) | (marked > 0))
        .order_by(TRACKING.person_id)
    )
    of_survivor = select(MERGE.survivor_id, MERGE.retired_id, SURVIVOR.c.person_id, MERGE.separated_at).join(
        SURVIVOR, SURVIVOR.c.id == MERGE.survivor_id
    )
    merges = connection.execute(of_survivor.where(MERGE.both_in_consultation).order_by(MERGE.id)).all()
    merged_persons = {row.person_id for row in merges if row.separated_at is None}
    for person, rows, marked_rows in connection.execute(counts):
        about = f"patient {person}: {rows} trackings"
        if marked_rows != rows:
            add_violation(
                "overlapping_consultations", about if not marked_rows else f"{about}, {marked_rows} of them marked"
            )
        elif rows == 1 or person not in merged_persons:
            add_violation("mark_without_merge", f"{about} in progress with a mark, which no merge explains")
    return [
        f"records {row.retired_id} and {row.survivor_id} were both in an exclusive consultation at their merge"
        for row in merges
    ]


def check_persons(connection: Connection, add_violation: AddViolation) -> None:
    """Check that each row is of the person of its record, and that each retired record has a survivor and a merge."""
    _check_rows(connection, add_violation)
    without_survivor = (
        select(RECORD.c.id, RECORD.c.person_id)
        .join(SURVIVOR, SURVIVOR.c.id == RECORD.c.person_id)
        .where(SURVIVOR.c.person_id != SURVIVOR.c.id)
        .order_by(RECORD.c.id)
    )
    for record, person in connection.execute(without_survivor):
        add_violation("inconsistent_merge", f"record {record} is of patient {person}, who is a retired record too")
    has_merge = exists().where(MERGE.retired_id == RECORD.c.id, STANDS)
    without_merge = select(RECORD.c.id).where(RECORD.c.id != RECORD.c.person_id, ~has_merge).order_by(RECORD.c.id)
    for record in connection.scalars(without_merge):
        add_violation("inconsistent_merge", f"record {record} is retired, but no merge has retired it")
    without_effect = (
        select(MERGE.retired_id, MERGE.survivor_id)
        .join(RECORD, RECORD.c.id == MERGE.retired_id)
        .join(SURVIVOR, SURVIVOR.c.id == MERGE.survivor_id)
        .where(STANDS, RECORD.c.person_id != SURVIVOR.c.person_id)
        .order_by(MERGE.id)
    )
    for retired, survivor in connection.execute(without_effect):
        add_violation("inconsistent_merge", f"records {retired} and {survivor} were merged, but are two persons")


def _check_rows(connection: Connection, add_violation: AddViolation) -> None:
    for name, table, key in (
        ("tracking", patient_trackings, patient_trackings.c.id),
        ("place in line", waiting_line, waiting_line.c.id),
        ("reservation of patient", reservations, reservations.c.person_id),
    ):
        is_other = and_(RECORD.c.id == table.c.patient_id, RECORD.c.person_id != table.c.person_id)
        query = select(key, table.c.person_id, table.c.patient_id, RECORD.c.person_id).join(RECORD, is_other)
        for number, person, record, owner in connection.execute(query.order_by(key)):
            about = f"{name} {number} is of patient {person}, but its record {record} is of patient {owner}"
            add_violation("other_person", about)
