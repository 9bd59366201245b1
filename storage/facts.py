"""Reads everything that is open for one patient, and the names that events and answers need."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, bindparam, func, select

from patient_visit_engine.storage.tables import (
    appointments,
    callers,
    doctors,
    patient_trackings,
    patients,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, ReservationKind, TrackingStatus
from patient_visit_engine.visit.state import (
    Appointment,
    Consultation,
    Facts,
    PendingTracking,
    Reservation,
    WaitingDoctor,
)
from patient_visit_engine.wire.trackings import TrackingRow

# Lock order of every transaction: persons by id, doctor, appointment, prestation, head of the event log. Without one order two
# transactions can deadlock. docs/architecture.md has the locks of each writer, and tests/ledger/test_lock_order.py checks them.
PATIENT = select(patients.c.first_name, patients.c.last_name, patients.c.person_id).where(
    patients.c.id == bindparam("patient_id")
)
LOCK_PATIENT = PATIENT.with_for_update(key_share=True)
PERSON = select(patients.c.person_id).where(patients.c.id == bindparam("patient_id")).scalar_subquery()

OPEN_TRACKINGS = (
    select(
        patient_trackings,
        doctors.c.name.label("doctor"),
        prestations.c.name.label("prestation"),
        appointments.c.scheduled_at,
    )
    .join(appointments, appointments.c.id == patient_trackings.c.appointment_id)
    .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
    .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
    .where(patient_trackings.c.person_id == PERSON)
    .where(patient_trackings.c.status.in_([TrackingStatus.pending.value, TrackingStatus.in_progress.value]))
    .order_by(patient_trackings.c.id)
)
LINE = (
    select(waiting_line, doctors.c.name.label("doctor"))
    .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
    .where(waiting_line.c.person_id == PERSON)
    .order_by(waiting_line.c.turn, waiting_line.c.id)
)
RESERVATION = (
    select(reservations, doctors.c.name.label("doctor"))
    .join(doctors, doctors.c.id == reservations.c.doctor_id)
    .where(reservations.c.person_id == PERSON)
)
APPOINTMENT = (
    select(
        appointments,
        prestations.c.exclusive,
        func.coalesce(appointments.c.expected_minutes, prestations.c.expected_minutes).label("minutes"),
        prestations.c.name.label("prestation"),
        doctors.c.name.label("doctor"),
    )
    .join(prestations, prestations.c.id == appointments.c.prestation_id)
    .join(doctors, doctors.c.id == appointments.c.doctor_id)
    .where(appointments.c.id == bindparam("appointment_id"))
)
# The inner statement runs first. The lock on the prestation is shared, so starts do not wait for each other.
LOCKED_APPOINTMENT = (
    select(appointments.c.prestation_id)
    .where(appointments.c.id == bindparam("appointment_id"))
    .with_for_update(key_share=True)
)
LOCK_APPOINTMENT_AND_PRESTATION = (
    select(prestations.c.id).where(prestations.c.id == LOCKED_APPOINTMENT.scalar_subquery()).with_for_update(read=True)
)
TRACKING = select(patient_trackings, callers.c.created_by.label("created_by_text")).join(
    callers, callers.c.id == patient_trackings.c.created_by
)

TRACKING_OF_CONSULTATION = TRACKING.where(patient_trackings.c.consultation_id == bindparam("id"))
LATEST_TRACKING = (
    TRACKING.where(patient_trackings.c.appointment_id == bindparam("id"))
    .order_by(patient_trackings.c.id.desc())
    .limit(1)
)


@dataclass
class NameCache:
    """Names by id, from the rows that one transaction has read."""

    doctors: dict[int, str] = field(default_factory=dict)
    prestations: dict[int, str] = field(default_factory=dict)
    #: Other patients than the one of the visit.
    patients: dict[int, str] = field(default_factory=dict)


def read_facts(connection: Connection, patient_id: int, names: NameCache) -> Facts:
    """The patient's open trackings and waiting lines now. Adds the names of doctors and prestations to `names`."""
    in_progress, pending = read_trackings(connection, patient_id, names)
    waiting = read_line(connection, patient_id, names)
    reservation = read_reservation(connection, patient_id, names)
    return Facts(in_progress=in_progress, pending=pending, waiting=waiting, reservation=reservation)


def read_trackings(
    connection: Connection, patient_id: int, names: NameCache
) -> tuple[tuple[Consultation, ...], tuple[PendingTracking, ...]]:
    """The patient's consultations in progress, and check-ins."""
    in_progress: list[Consultation] = []
    pending: list[PendingTracking] = []
    for row in connection.execute(OPEN_TRACKINGS, {"patient_id": patient_id}):
        names.doctors[row.doctor_id] = row.doctor
        names.prestations[row.prestation_id] = row.prestation
        if row.status == TrackingStatus.pending:
            pending.append(_pending_tracking(row))
        else:
            in_progress.append(_consultation(row))
    return tuple(in_progress), tuple(pending)


def read_line(connection: Connection, patient_id: int, names: NameCache) -> tuple[WaitingDoctor, ...]:
    """The doctors who wait for the patient, in their order."""
    waiting: list[WaitingDoctor] = []
    for row in connection.execute(LINE, {"patient_id": patient_id}):
        names.doctors[row.doctor_id] = row.doctor
        waiting.append(
            WaitingDoctor(
                doctor_id=row.doctor_id,
                appointment_id=row.appointment_id,
                day=row.visit_day,
                since=row.since,
                turn=row.turn,
                unused_offers=row.unused_offers,
                notified_at=row.notified_at,
            )
        )
    return tuple(waiting)


def read_reservation(connection: Connection, patient_id: int, names: NameCache) -> Reservation | None:
    """The reservation of the patient, also when its time is over: it stands until its end is recorded."""
    row = connection.execute(RESERVATION, {"patient_id": patient_id}).one_or_none()
    if row is None:
        return None
    names.doctors[row.doctor_id] = row.doctor
    return Reservation(
        kind=ReservationKind(row.kind),
        doctor_id=row.doctor_id,
        appointment_id=row.appointment_id,
        day=row.visit_day,
        until=row.until,
    )


def _pending_tracking(row: Row[tuple[object, ...]]) -> PendingTracking:
    return PendingTracking(
        appointment_id=row.appointment_id,
        day=row.visit_day,
        check_in_time=row.check_in_time,
        scheduled_at=row.scheduled_at,
        not_seen_at=row.not_seen_at,
    )


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
        checked_in_at=row.check_in_time if row.checked_in else None,
    )


def read_appointment(
    connection: Connection, appointment_id: int, names: NameCache, *, lock: bool = False
) -> Appointment | None:
    """The appointment as it is stored now, with its prestation, or None. `lock` keeps both unchanged until the commit."""
    if lock and connection.dialect.name != "sqlite":
        _lock_appointment(connection, appointment_id)
    row = connection.execute(APPOINTMENT, {"appointment_id": appointment_id}).one_or_none()
    if row is None:
        return None
    names.doctors[row.doctor_id] = row.doctor
    names.prestations[row.prestation_id] = row.prestation
    return Appointment(
        id=row.id,
        patient_id=row.patient_id,
        doctor_id=row.doctor_id,
        prestation_id=row.prestation_id,
        exclusive=row.exclusive,
        expected_minutes=row.minutes,
        status=AppointmentStatus(row.status),
        scheduled_at=row.scheduled_at,
    )


def _lock_appointment(connection: Connection, appointment_id: int) -> None:
    """Lock the appointment, then its prestation. SQLite has one writer and needs no lock.

    The lock is a separate statement. On PostgreSQL a statement that locks and joins can find no row: after the wait it joins the
    new appointment with the old doctor and prestation.
    """
    values = {"appointment_id": appointment_id}
    if connection.scalar(LOCK_APPOINTMENT_AND_PRESTATION, values) is None:
        # During the wait the appointment got a prestation that is newer than this statement. A second statement sees it.
        connection.scalar(LOCK_APPOINTMENT_AND_PRESTATION, values)


def tracking_of_consultation(connection: Connection, consultation_id: str) -> TrackingRow | None:
    """The row of this consultation, running or ended."""
    row = connection.execute(TRACKING_OF_CONSULTATION, {"id": consultation_id}).one_or_none()
    return None if row is None else tracking_row(row)


def latest_tracking(connection: Connection, appointment_id: int) -> TrackingRow | None:
    """The latest row of this appointment."""
    row = connection.execute(LATEST_TRACKING, {"id": appointment_id}).one_or_none()
    return None if row is None else tracking_row(row)


def tracking_row(row: Row[tuple[object, ...]]) -> TrackingRow:
    """A result row of `TRACKING` as a value."""
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
