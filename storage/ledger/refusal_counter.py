"""Counts the refusals of one doctor that follow each other quickly, in one entry of the timeline.

A doctor who presses Start again and again, or a program that does, would otherwise fill a table that is permanent.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Date, String, bindparam, func, literal_column, select, update

from patient_visit_engine.storage.prepared_statements import PreparedWrite
from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.storage.tables.columns import Timestamp
from patient_visit_engine.visit.changes import NoteRefusal
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.wire.timeline import timeline_row

#: A refusal this long after the first one of an entry gets a new entry.
REFUSALS_WITHIN = timedelta(seconds=60)
# The parameters are NULL for all other decisions. Then the index of the timeline has no row to look at. The event is a literal:
# compared with the condition of a partial index, a parameter makes SQLite compile the statement again for each execution.
_NEWEST = (
    select(func.max(timeline.c.id))
    .where(
        timeline.c.patient_id == bindparam("refused_patient_id", type_=BigInteger()),
        timeline.c.visit_day == bindparam("refused_day", type_=Date()),
        timeline.c.event == literal_column("'refused'"),
        timeline.c.doctor_id == bindparam("refused_doctor_id", type_=BigInteger()),
        timeline.c.holder_id == bindparam("holder_id", type_=String()),
        timeline.c.at > bindparam("refused_after", type_=Timestamp()),
    )
    .scalar_subquery()
)
#: The entry that also counts this refusal, or no row.
RECENT_REFUSAL = select(timeline.c.id.label("refusal_entry_id")).where(timeline.c.id == _NEWEST)
COUNT_REFUSAL = PreparedWrite(
    update(timeline)
    .where(timeline.c.id == bindparam("entry_id"))
    .values(refusals=func.coalesce(timeline.c.refusals, 1) + 1)
)


def refusal_parameters(entry: LedgerEntry) -> dict[str, Any]:
    """The parameters of `RECENT_REFUSAL`: the refusal by a consultation that this decision notes. All are None without one."""
    names = ("refused_patient_id", "refused_day", "refused_doctor_id", "holder_id", "refused_after")
    for change in entry.decision.changes:
        if isinstance(change, NoteRefusal) and (row := timeline_row(change)).holder_id is not None:
            after = entry.decision.at - REFUSALS_WITHIN
            return dict(zip(names, (entry.patient_id, entry.day, row.doctor_id, row.holder_id, after), strict=True))
    return dict.fromkeys(names)


def count_refusal(connection: Connection, entry_id: int | None, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the refusal of a consultation in the entry, if there is one. Returns the rows that remain to be inserted."""
    if entry_id is None:
        return list(rows)
    (refused,) = (row for row in rows if row["holder_id"] is not None)
    COUNT_REFUSAL.execute(connection, {"entry_id": entry_id, "last_at": refused["at"]})
    return [row for row in rows if row is not refused]
