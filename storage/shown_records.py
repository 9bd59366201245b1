"""What is shown of a person with several records: the order of the retired records, and the record number."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, select

from patient_visit_engine.storage.tables import patient_merges, patients

#: A record that was merged into the one in `patients`.
_RETIRED = patients.alias("retired_record")


def with_merges(record: FromClause) -> FromClause:
    """The records with their merges that stand. Only a retired record has one."""
    merge = patient_merges.c
    return record.outerjoin(patient_merges, (merge.retired_id == record.c.id) & merge.separated_at.is_(None))


def in_order_of_merges(record: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The order of the retired records of a person: first those merged into it directly, each group by the time of its merge."""
    is_indirect = patient_merges.c.survivor_id != record.c.person_id
    return is_indirect, patient_merges.c.merged_at, record.c.id


#: The number of a record without one is that of its first retired record that has one.
SHOWN_NUMBER = func.coalesce(
    patients.c.record_number,
    select(_RETIRED.c.record_number)
    .select_from(with_merges(_RETIRED))
    .where(
        _RETIRED.c.person_id == patients.c.id,
        _RETIRED.c.id != patients.c.id,
        _RETIRED.c.record_number.is_not(None),
    )
    .order_by(*in_order_of_merges(_RETIRED))
    .limit(1)
    .correlate(patients)
    .scalar_subquery(),
).label("record_number")
