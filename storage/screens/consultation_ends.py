"""Who ended the last consultation of an appointment, and why, for those who may know it: its doctor and supervisors."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from patient_visit_engine.storage.callers import NAME_OF_CALLER
from patient_visit_engine.storage.tables import callers, patients, timeline


def read_ends(connection: Connection, consultations: Iterable[Row[Any]]) -> dict[int, Row[Any]]:
    """`by_name` and `reason` of the end of each of these consultations, by the id of its appointment. They are rows of trackings.

    A time limit has no caller, and only a release has a reason.
    """
    by_id = {row.consultation_id: row for row in consultations}
    if not by_id:
        return {}
    # A merge moves trackings to the survivor, but not the timeline.
    records = select(patients.c.id).where(patients.c.person_id.in_({row.person_id for row in by_id.values()}))
    ends: Select[Any] = (
        select(timeline.c.consultation_id, timeline.c.reason, NAME_OF_CALLER.label("by_name"))
        .outerjoin_from(timeline, callers, callers.c.id == timeline.c.caller_id)
        .where(
            timeline.c.patient_id.in_(records),
            timeline.c.visit_day.in_({row.visit_day for row in by_id.values()}),
            timeline.c.event == "completed",
            timeline.c.consultation_id.in_(by_id),
        )
        # A consultation that was reopened has ended several times. The last row stays.
        .order_by(timeline.c.id)
    )
    return {by_id[row.consultation_id].appointment_id: row for row in connection.execute(ends)}
