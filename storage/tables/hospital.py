"""The tables of the master data: patients, doctors, prestations and appointments."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
)

from patient_visit_engine.storage.tables.columns import Timestamp, metadata

patients = Table(
    "patients",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_name", String(200), nullable=False),
    Column("last_name", String(200), nullable=False),
    Column("birth_date", Date),
)

doctors = Table(
    "doctors",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("specialization", String(200)),
)

prestations = Table(
    "prestations",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("exclusive", Boolean, nullable=False),
    Column("expected_minutes", Integer, nullable=False),
    CheckConstraint("expected_minutes > 0", name="a_prestation_takes_time"),
)

appointments = Table(
    "appointments",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id"), nullable=False),
    Column("prestation_id", ForeignKey("prestations.id"), nullable=False),
    Column("scheduled_at", Timestamp, nullable=False),
    Column("status", SmallInteger, nullable=False),
    CheckConstraint("status BETWEEN 0 AND 5", name="an_appointment_has_a_known_status"),
    Index("appointments_by_time", "scheduled_at", "id"),
    Index("appointments_by_doctor", "doctor_id", "scheduled_at"),
    Index("appointments_by_patient", "patient_id", "scheduled_at"),
)
