"""Example patients, doctors, appointments, consultations and visits, for all tests."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, text, update

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.tables import appointments, callers, doctors, patients, prestations
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.calendar import HospitalCalendar, to_millisecond
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.facts import Consultation, Facts, PendingTracking, Reservation, WaitingDoctor
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.starting import new_consultation
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.patient_identity import PatientIdentity


@dataclass(frozen=True)
class Doctor:
    """A doctor with the name that screens show."""

    id: int
    name: str


@dataclass(frozen=True)
class Patient:
    """A patient with the name that events contain."""

    id: int
    first_name: str
    last_name: str
    birth_date: str | None = None
    record_number: str | None = None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def identity(self) -> PatientIdentity:
        return PatientIdentity(self.first_name, self.last_name, self.birth_date, self.record_number)


@dataclass(frozen=True)
class Prestation:
    """A prestation. During an exclusive one the patient can be in no other exclusive one."""

    id: int
    name: str
    exclusive: bool
    expected_minutes: int = 20


ZONE = ZoneInfo("Europe/Paris")
DAY = date(2026, 3, 2)
YESTERDAY = DAY - timedelta(days=1)
NOON = to_millisecond(datetime(2026, 3, 2, 12, 0, tzinfo=ZONE))
CALENDAR = HospitalCalendar(ZONE)
DAY_END = CALENDAR.ends_at(DAY)

DR_AMRANI = Doctor(7, "Dr. Amrani")
DR_OKAFOR = Doctor(8, "Dr. Okafor")
DR_LINDQVIST = Doctor(9, "Dr. Lindqvist")
DR_SMITH = Doctor(456, "Dr. Smith")
DOCTORS = (DR_AMRANI, DR_OKAFOR, DR_LINDQVIST, DR_SMITH)

JOHN_DOE = Patient(123, "John", "Doe", "1974-05", "P-017")
MARIA_SILVA = Patient(124, "Maria", "Silva")
PATIENTS = (JOHN_DOE, MARIA_SILVA)

CARDIOLOGY = Prestation(11, "Cardiology", exclusive=True)
DERMATOLOGY = Prestation(12, "Dermatology", exclusive=True, expected_minutes=15)
X_RAY = Prestation(13, "X-ray", exclusive=False, expected_minutes=10)
PRESTATIONS = (CARDIOLOGY, DERMATOLOGY, X_RAY)

# Ids of rows in `callers`. The schema creates row 1, which is the engine itself.
RECEPTIONIST = 2
A_DOCTORS_ACCOUNT = 3


def minutes(count: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=count)


def a_request(key: str, caller: int = A_DOCTORS_ACCOUNT) -> Request:
    """The request that `caller` sends under this Idempotency-Key."""
    return Request(id=_digest(f"{caller}/{key}"), caller_id=caller, fingerprint=_digest(f"body of {key}"))


def an_appointment(
    doctor: Doctor = DR_AMRANI,
    *,
    number: int | None = None,
    patient: Patient = JOHN_DOE,
    prestation: Prestation = CARDIOLOGY,
    status: AppointmentStatus = AppointmentStatus.confirmed,
    scheduled_at: datetime = NOON,
) -> Appointment:
    """An appointment. Without a number, its id depends only on doctor, patient and prestation."""
    return Appointment(
        id=number or (patient.id * 1_000 + doctor.id) * 100 + prestation.id,
        patient_id=patient.id,
        doctor_id=doctor.id,
        prestation_id=prestation.id,
        exclusive=prestation.exclusive,
        expected_minutes=prestation.expected_minutes,
        status=status,
        scheduled_at=scheduled_at,
    )


def a_consultation(
    appointment: Appointment | None = None,
    *,
    started_at: datetime = NOON,
    day: date = DAY,
    limits: Limits | None = None,
) -> Consultation:
    """The consultation of the appointment, just after its start."""
    appointment = appointment or an_appointment()
    request = a_request(f"start {appointment.id} at {started_at.isoformat()}")
    consultation_id = f"{request.id[:8]}-{request.id[8:12]}-{request.id[12:16]}-{request.id[16:20]}-{request.id[20:32]}"
    return new_consultation(consultation_id, appointment, day, started_at, limits or Limits())


def paused(consultation: Consultation, at: datetime = NOON, *, limits: Limits | None = None) -> Consultation:
    """The consultation after its doctor has paused it."""
    ends_at = at + (limits or Limits()).pause_limit
    return consultation.model_copy(update={"paused_at": at, "abandon_at": ends_at})


def a_place(
    doctor: Doctor,
    *,
    since: datetime = NOON,
    turn: int = 0,
    notified_at: datetime | None = None,
    day: date = DAY,
) -> WaitingDoctor:
    """The place of the doctor in the waiting line, for the doctor's default appointment."""
    return WaitingDoctor(
        doctor_id=doctor.id,
        appointment_id=an_appointment(doctor).id,
        day=day,
        since=since,
        turn=turn,
        notified_at=notified_at,
    )


def a_reservation(doctor: Doctor, until: datetime, *, day: date = DAY) -> Reservation:
    """John Doe is reserved for the doctor's default appointment."""
    return Reservation(doctor_id=doctor.id, appointment_id=an_appointment(doctor).id, day=day, until=until)


def a_visit(
    *,
    in_consultation_with: Doctor | None = None,
    consultations: Iterable[Consultation] = (),
    paused: Iterable[Consultation] = (),
    checked_in: Iterable[Appointment] = (),
    waiting: Iterable[Doctor | WaitingDoctor] = (),
    reservation: Reservation | None = None,
    limits: Limits | None = None,
    day: date = DAY,
) -> VisitState:
    """The visit of John Doe on that day. `waiting` has the doctors in order of arrival."""
    running = tuple(consultations)
    if in_consultation_with is not None:
        running = (a_consultation(an_appointment(in_consultation_with)), *running)
    line = tuple(
        a_place(place, since=NOON + timedelta(seconds=n), turn=n + 1) if isinstance(place, Doctor) else place
        for n, place in enumerate(waiting)
    )
    pending = tuple(
        PendingTracking(appointment_id=appointment.id, day=day, check_in_time=NOON, scheduled_at=NOON)
        for appointment in checked_in
    )
    return VisitState(
        patient_id=JOHN_DOE.id,
        day=day,
        day_starts_at=CALENDAR.starts_at(day),
        day_ends_at=CALENDAR.ends_at(day),
        limits=limits or Limits(),
        facts=Facts(in_progress=running, paused=tuple(paused), pending=pending, waiting=line, reservation=reservation),
    )


def an_event_context(at: datetime = NOON, cause: str = "a-request") -> EventContext:
    """The context of an event or an answer about John Doe."""
    return EventContext(
        patient_id=JOHN_DOE.id,
        patient=JOHN_DOE.identity,
        doctors={doctor.id: doctor.name for doctor in DOCTORS},
        prestations={prestation.id: prestation.name for prestation in PRESTATIONS},
        at=at,
        cause=cause,
    )


def seed(connection: Connection, *booked: Appointment) -> None:
    """Insert these appointments, and all patients, doctors, prestations and callers unless they exist already."""
    for patient in PATIENTS:
        insert_if_new(connection, patients, **asdict(patient))
    for doctor in DOCTORS:
        insert_if_new(connection, doctors, id=doctor.id, name=doctor.name)
    for prestation in PRESTATIONS:
        insert_if_new(
            connection,
            prestations,
            id=prestation.id,
            name=prestation.name,
            exclusive=prestation.exclusive,
            expected_minutes=prestation.expected_minutes,
        )
    for number in (RECEPTIONIST, A_DOCTORS_ACCOUNT):
        insert_if_new(connection, callers, id=number, subject=f"account:{number}", created_by=str(number))
    if connection.dialect.name == "postgresql":
        # PostgreSQL's sequence does not see ids that are inserted explicitly and would use them a second time.
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence('callers', 'id'), (SELECT max(id) FROM callers))")
        )
    for appointment in booked:
        connection.execute(
            insert(appointments).values(
                id=appointment.id,
                patient_id=appointment.patient_id,
                doctor_id=appointment.doctor_id,
                prestation_id=appointment.prestation_id,
                scheduled_at=appointment.scheduled_at,
                status=appointment.status.value,
            )
        )


def move_appointments(connection: Connection, scheduled_at: datetime) -> None:
    """All appointments are for this time now."""
    connection.execute(update(appointments).values(scheduled_at=scheduled_at))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
