"""Writes the fields that the hospital's own system or staff have changed: to the appointment, and to its pending tracking."""

from typing import Any

from sqlalchemy import bindparam, select, update

from patient_visit_engine.storage.call_ends import columns_of_ended_call
from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.writer import NEWEST_AS_OF, PENDING_OF_APPOINTMENT, Writer
from patient_visit_engine.storage.status_columns import columns_of_status
from patient_visit_engine.storage.tables import appointments, prestations
from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.appointment_changes import ends_call
from patient_visit_engine.visit.codes import TrackingStatus
from patient_visit_engine.visit.line_changes import EndReservation

IS_APPOINTMENT = appointments.c.id == bindparam("key")
EXCLUSIVE = select(prestations.c.exclusive).where(prestations.c.id == bindparam("prestation"))
#: The fields that a pending tracking has too.
TRACKED = ("doctor_id", "prestation_id")


def rewrite_appointment(
    writer: Writer, appointment: Appointment, fields: AppointmentFields, *, decided_here: bool = False
) -> None:
    """Write these fields. Raises `OvertakenError` when the appointment is no longer there.

    `decided_here`: the decision is newer than what other systems sent before, so the time of the decision becomes `as_of`.
    """
    appointment_id = appointment.id
    columns: dict[str, Any] = {name: getattr(fields, name) for name in fields.names}
    if fields.status is not None:
        columns |= columns_of_status(appointment.status, fields.status, writer.at)
    if ends_call(fields) and not _stays_reserved(appointment_id, writer):
        columns |= columns_of_ended_call(writer.at)
    statement = update(appointments).where(IS_APPOINTMENT).values(**columns, version=appointments.c.version + 1)
    values: dict[str, object] = {"key": appointment_id}
    if decided_here:
        statement = statement.values(as_of=NEWEST_AS_OF)
        values["decided_at"] = writer.at
    if writer.connection.execute(statement, values).rowcount != 1:
        raise OvertakenError
    rows = writer.stored.rows
    if fields.scheduled_at is not None:
        rows.reschedule(appointment_id, fields.scheduled_at)
    tracked = {name: columns[name] for name in TRACKED if name in columns}
    if tracked and rows.find_tracking(TrackingStatus.pending, "appointment_id", appointment_id) is not None:
        if fields.prestation_id is not None:
            # The tracking has the values of its check-in. A start reads them again.
            tracked["exclusive"] = writer.connection.scalar(EXCLUSIVE, {"prestation": fields.prestation_id})
        writer.update_tracking(PENDING_OF_APPOINTMENT, appointment_id, **tracked)


def _stays_reserved(appointment_id: int, writer: Writer) -> bool:
    """Whether the patient is reserved for the appointment after the decision too. Then a call goes on."""
    is_reserved = any(row["appointment_id"] == appointment_id for row in writer.stored.rows.reservations)
    return is_reserved and not any(isinstance(change, EndReservation) for change in writer.entry.decision.changes)
