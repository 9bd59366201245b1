"""Reads rows of `patient_trackings`, open or ended, with the text of their callers."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select

from patient_visit_engine.storage.tables import callers, patient_trackings
from patient_visit_engine.storage.tickets import shown_ticket
from patient_visit_engine.visit.codes import Outcome, TrackingStatus
from patient_visit_engine.wire.trackings import TrackingRow

TRACKING = select(patient_trackings, callers.c.created_by.label("created_by_text")).join(
    callers, callers.c.id == patient_trackings.c.created_by
)
TRACKING_OF_CONSULTATION = TRACKING.where(patient_trackings.c.consultation_id == bindparam("id"))
LATEST_TRACKING = (
    TRACKING.where(patient_trackings.c.appointment_id == bindparam("id"))
    .order_by(patient_trackings.c.id.desc())
    .limit(1)
)
#: The doctor's consultation of the appointment that was started, reopened, resumed or transferred last.
LAST_CHANGED = (
    TRACKING.where(
        patient_trackings.c.appointment_id == bindparam("id"),
        patient_trackings.c.doctor_id == bindparam("doctor"),
        patient_trackings.c.changed_at.is_not(None),
    )
    .order_by(patient_trackings.c.changed_at.desc())
    .limit(1)
)


def tracking_of_consultation(connection: Connection, consultation_id: str) -> TrackingRow | None:
    """The row of this consultation, running or ended."""
    row = connection.execute(TRACKING_OF_CONSULTATION, {"id": consultation_id}).mappings().one_or_none()
    return None if row is None else tracking_row(row)


def latest_tracking(connection: Connection, appointment_id: int) -> TrackingRow | None:
    """The latest row of this appointment."""
    row = connection.execute(LATEST_TRACKING, {"id": appointment_id}).mappings().one_or_none()
    return None if row is None else tracking_row(row)


def last_changed_consultation(connection: Connection, appointment_id: int, doctor_id: int) -> TrackingRow | None:
    """The row of this doctor's consultation of the appointment that was started, reopened, resumed or transferred last."""
    row = connection.execute(LAST_CHANGED, {"id": appointment_id, "doctor": doctor_id}).mappings().one_or_none()
    return None if row is None else tracking_row(row)


def tracking_row(row: Mapping[Any, Any]) -> TrackingRow:
    """The columns of `TRACKING` as a value."""
    return TrackingRow(
        id=row["id"],
        patient_id=row["person_id"],
        appointment_id=row["appointment_id"],
        consultation_id=row["consultation_id"],
        prestation_id=row["prestation_id"],
        doctor_id=row["doctor_id"],
        status=TrackingStatus(row["status"]),
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        check_in_time=row["check_in_time"],
        check_out_time=row["check_out_time"],
        created_by=row["created_by_text"],
        started_at=row["started_at"],
        overdue_at=row["overdue_at"],
        ticket=shown_ticket(row),
        changed_at=row["changed_at"],
    )
