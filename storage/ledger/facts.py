"""Reading what is open for one patient, with the names to speak of it; it must not write, nor decide anything."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, bindparam, select

from patient_visit_engine.storage.tables import (
    appointments,
    callers,
    doctors,
    patient_trackings,
    patients,
    prestations,
    waiting_line,
)
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.visit.state import Appointment, Consultation, Facts, PendingTracking, WaitingDoctor
from patient_visit_engine.wire.answers import TrackingRow

PATIENT = select(patients.c.first_name, patients.c.last_name).where(patients.c.id == bindparam("patient_id"))
LOCK_PATIENT = PATIENT.with_for_update(key_share=True)

OPEN_TRACKINGS = (
    select(patient_trackings, doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
    .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
    .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
    .where(patient_trackings.c.patient_id == bindparam("patient_id"))
    .where(patient_trackings.c.status.in_([TrackingStatus.pending.value, TrackingStatus.in_progress.value]))
    .order_by(patient_trackings.c.id)
)
LINE = (
    select(waiting_line, doctors.c.name.label("doctor"))
    .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
    .where(waiting_line.c.patient_id == bindparam("patient_id"))
    .order_by(waiting_line.c.since, waiting_line.c.id)
)
APPOINTMENT = (
    select(
        appointments,
        prestations.c.exclusive,
        prestations.c.expected_minutes,
        prestations.c.name.label("prestation"),
        doctors.c.name.label("doctor"),
    )
    .join(prestations, prestations.c.id == appointments.c.prestation_id)
    .join(doctors, doctors.c.id == appointments.c.doctor_id)
    .where(appointments.c.id == bindparam("appointment_id"))
)
LOCK_APPOINTMENT = (
    select(appointments.c.id).where(appointments.c.id == bindparam("appointment_id")).with_for_update(key_share=True)
)
TRACKING = select(patient_trackings, callers.c.created_by.label("created_by_text")).join(
    callers, callers.c.id == patient_trackings.c.created_by
)

TRACKING_OF_CONSULTATION = TRACKING.where(patient_trackings.c.consultation_id == bindparam("of"))
LATEST_TRACKING = (
    TRACKING.where(patient_trackings.c.appointment_id == bindparam("of"))
    .order_by(patient_trackings.c.id.desc())
    .limit(1)
)


@dataclass
class NameCache:
    """A patient's facts and the names that came with them."""

    facts: Facts = field(default_factory=Facts)
    doctors: dict[int, str] = field(default_factory=dict)
    prestations: dict[int, str] = field(default_factory=dict)


def read_facts(connection: Connection, patient_id: int, known: NameCache) -> Facts:
    """The patient's open trackings and waiting lines now; the names met on the way are added to `known`."""
    in_progress, pending = read_trackings(connection, patient_id, known)
    waiting = read_line(connection, patient_id, known)
    known.facts = Facts(in_progress=in_progress, pending=pending, waiting=waiting)
    return known.facts


def read_trackings(
    connection: Connection, patient_id: int, known: NameCache
) -> tuple[tuple[Consultation, ...], tuple[PendingTracking, ...]]:
    """What the patient is in, and what the patient waits for."""
    in_progress: list[Consultation] = []
    pending: list[PendingTracking] = []
    for row in connection.execute(OPEN_TRACKINGS, {"patient_id": patient_id}):
        known.doctors[row.doctor_id] = row.doctor
        known.prestations[row.prestation_id] = row.prestation
        if row.status == TrackingStatus.pending:
            pending.append(PendingTracking(appointment_id=row.appointment_id, day=row.visit_day))
        else:
            in_progress.append(_consultation(row))
    return tuple(in_progress), tuple(pending)


def read_line(connection: Connection, patient_id: int, known: NameCache) -> tuple[WaitingDoctor, ...]:
    """Who waits for the patient, on whichever day."""
    waiting: list[WaitingDoctor] = []
    for row in connection.execute(LINE, {"patient_id": patient_id}):
        known.doctors[row.doctor_id] = row.doctor
        waiting.append(
            WaitingDoctor(
                doctor_id=row.doctor_id,
                appointment_id=row.appointment_id,
                day=row.visit_day,
                since=row.since,
                offered_until=row.offered_until,
            )
        )
    return tuple(waiting)


def _consultation(row: Row[tuple[object, ...]]) -> Consultation:
    return Consultation(
        id=row.consultation_id,
        patient_id=row.patient_id,
        doctor_id=row.doctor_id,
        appointment_id=row.appointment_id,
        prestation_id=row.prestation_id,
        exclusive=row.exclusive,
        day=row.visit_day,
        started_at=row.started_at,
        overdue_at=row.overdue_at,
        remind_at=row.remind_at,
        reminders=row.reminders,
        abandon_at=row.abandon_at,
    )


def read_appointment(
    connection: Connection, appointment_id: int, known: NameCache, *, lock: bool = False
) -> Appointment | None:
    """The appointment as it is stored now, with its prestation; None when there is none."""
    if lock and connection.dialect.name != "sqlite":
        # SQLite has one writer, who needs no lock. Apart from the reading: PostgreSQL, having waited for the lock, would join the
        # new appointment to the doctor and the prestation of the old one, find no row, and it would seem not to exist.
        connection.execute(LOCK_APPOINTMENT, {"appointment_id": appointment_id})
    row = connection.execute(APPOINTMENT, {"appointment_id": appointment_id}).one_or_none()
    if row is None:
        return None
    known.doctors[row.doctor_id] = row.doctor
    known.prestations[row.prestation_id] = row.prestation
    return Appointment(
        id=row.id,
        patient_id=row.patient_id,
        doctor_id=row.doctor_id,
        prestation_id=row.prestation_id,
        exclusive=row.exclusive,
        expected_minutes=row.expected_minutes,
        status=AppointmentStatus(row.status),
    )


def tracking_of_consultation(connection: Connection, consultation_id: str) -> TrackingRow | None:
    """The row that holds this consultation, running or ended."""
    row = connection.execute(TRACKING_OF_CONSULTATION, {"of": consultation_id}).one_or_none()
    return None if row is None else as_tracking(row)


def latest_tracking(connection: Connection, appointment_id: int) -> TrackingRow | None:
    """The last row of this appointment."""
    row = connection.execute(LATEST_TRACKING, {"of": appointment_id}).one_or_none()
    return None if row is None else as_tracking(row)


def as_tracking(row: Row[tuple[object, ...]]) -> TrackingRow:
    """A row of `TRACKING` as the rules see it."""
    return TrackingRow(
        id=row.id,
        patient_id=row.patient_id,
        appointment_id=row.appointment_id,
        consultation_id=row.consultation_id,
        prestation_id=row.prestation_id,
        doctor_id=row.doctor_id,
        status=TrackingStatus(row.status),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        check_in_time=row.check_in_time,
        check_out_time=row.check_out_time,
        created_by=row.created_by_text,
        started_at=row.started_at,
        overdue_at=row.overdue_at,
    )
