"""Writes the transfer of a consultation: its appointment is another doctor's, for whom the patient is kept."""

from sqlalchemy import bindparam, select

from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.rewriting import rewrite_appointment
from patient_visit_engine.storage.ledger.writer import Writer
from patient_visit_engine.storage.tables import doctors
from patient_visit_engine.visit.appointment import AppointmentFields
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.consultation_changes import TransferConsultation

NAME_OF_DOCTOR = select(doctors.c.name).where(doctors.c.id == bindparam("doctor"))


def transfer(change: TransferConsultation, writer: Writer) -> None:
    """The patient waits for the receiver since the first arrival, reserved or first in line."""
    consultation, appointment = change.consultation, writer.entry.appointment
    name = writer.connection.scalar(NAME_OF_DOCTOR, {"doctor": change.to_doctor_id})
    if appointment is None or name is None:
        raise OvertakenError
    # The events have the name, and nothing of the receiver was read before.
    writer.stored.names.doctors[change.to_doctor_id] = name
    fields = AppointmentFields(doctor_id=change.to_doctor_id, status=AppointmentStatus.pending)
    rewrite_appointment(writer, appointment, fields, decided_here=True)
    arrived_at = consultation.checked_in_at or consultation.started_at
    writer.insert_pending(consultation, consultation.appointment_id, change.to_doctor_id, arrived_at)
    if change.reservation is not None:
        writer.reserve(change.reservation)
    if change.place is not None:
        writer.write_place(change.place)
