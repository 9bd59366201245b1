"""Reads the past of one appointment: its status before the arrival, and its latest tracking."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select

from patient_visit_engine.storage.tables import appointments, patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import HAS_ENDED
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.past_tracking import PastTracking

newer = patient_trackings.alias()
LATEST_ID = (
    select(func.max(newer.c.id))
    .where(newer.c.appointment_id == appointments.c.id)
    .correlate(appointments)
    .scalar_subquery()
)
#: The columns of `PastTracking`, of an appointment and its latest tracking.
PAST_COLUMNS = (
    appointments.c.earlier_status,
    appointments.c.canceled_at,
    patient_trackings.c.outcome,
    patient_trackings.c.check_in_time,
    patient_trackings.c.check_out_time,
    patient_trackings.c.consultation_id,
    patient_trackings.c.checked_in,
    patient_trackings.c.started_at,
    patient_trackings.c.overdue_at,
    patient_trackings.c.reminders,
)
record = patients.alias()
PERSON_OF_APPOINTMENT = (
    select(record.c.person_id).where(record.c.id == appointments.c.patient_id).correlate(appointments).scalar_subquery()
)
#: The tracking of an earlier patient of the appointment is not its past.
IS_OF_PATIENT = patient_trackings.c.person_id == PERSON_OF_APPOINTMENT
IS_LATEST_AND_ENDED = and_(patient_trackings.c.id == LATEST_ID, HAS_ENDED, IS_OF_PATIENT)
PAST_TRACKING = (
    select(*PAST_COLUMNS)
    .outerjoin_from(appointments, patient_trackings, IS_LATEST_AND_ENDED)
    .where(appointments.c.id == bindparam("appointment_id"))
)


def read_past_tracking(connection: Connection, appointment_id: int) -> PastTracking | None:
    """The past of the appointment as it is now, or None for an unknown one."""
    row = connection.execute(PAST_TRACKING, {"appointment_id": appointment_id}).mappings().one_or_none()
    return None if row is None else to_past_tracking(appointment_id, row)


def to_past_tracking(appointment_id: int, row: Mapping[Any, Any]) -> PastTracking:
    """A row with `PAST_COLUMNS` as a value."""
    # Earlier versions did not write it.
    earlier = AppointmentStatus.confirmed if row["earlier_status"] is None else AppointmentStatus(row["earlier_status"])
    return PastTracking(
        appointment_id=appointment_id,
        earlier_status=earlier,
        canceled_at=row["canceled_at"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        check_in_time=row["check_in_time"],
        ended_at=row["check_out_time"],
        consultation_id=row["consultation_id"],
        was_checked_in=row["checked_in"] is not False,
        started_at=row["started_at"],
        overdue_at=row["overdue_at"],
        reminders=row["reminders"] or 0,
    )
