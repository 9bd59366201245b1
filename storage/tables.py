"""The tables, and the rules that the database itself enforces."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from patient_visit_engine.visit.calendar import to_rfc3339

# SQLite generates ids only in a column of type INTEGER. PostgreSQL needs 64 bits.
Id = BigInteger().with_variant(Integer(), "sqlite")


class Timestamp(TypeDecorator[datetime]):
    """An aware datetime with milliseconds: TIMESTAMPTZ on PostgreSQL, sortable RFC 3339 text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        column_type = String(24) if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(column_type)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return to_rfc3339(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return None if value is None else value.astimezone(UTC)


metadata = MetaData()

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

# A caller is a person or program that sends commands. `subject` is "account:7" for the account with id 7, or "token:" and the
# subject of a bearer token. Commands carry only the id, so that no text from a client enters a workflow's history.
callers = Table(
    "callers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject", String(300), nullable=False, unique=True),
    Column("created_by", String(300), nullable=False),
)

patient_trackings = Table(
    "patient_trackings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("appointment_id", ForeignKey("appointments.id"), nullable=False),
    Column("prestation_id", ForeignKey("prestations.id"), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id"), nullable=False),
    Column("exclusive", Boolean, nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("status", String(20), nullable=False),
    Column("outcome", String(20)),
    Column("check_in_time", Timestamp, nullable=False),
    # The time when the tracking was completed, by a check-out or in any other way.
    Column("check_out_time", Timestamp),
    Column("created_by", ForeignKey("callers.id"), nullable=False),
    Column("consultation_id", String(36), unique=True),
    Column("started_at", Timestamp),
    Column("overdue_at", Timestamp),
    Column("remind_at", Timestamp),
    Column("reminders", Integer, nullable=False, default=0),
    Column("abandon_at", Timestamp),
    CheckConstraint("status IN ('pending', 'in_progress', 'completed')", name="a_tracking_has_a_known_status"),
    CheckConstraint(
        "(status = 'completed') = (check_out_time IS NOT NULL) AND (status = 'completed') = (outcome IS NOT NULL)",
        name="a_completed_tracking_says_when_and_why",
    ),
    CheckConstraint("status <> 'in_progress' OR consultation_id IS NOT NULL", name="in_progress_means_a_consultation"),
    Index(
        "one_exclusive_consultation_per_patient",
        "patient_id",
        unique=True,
        sqlite_where=text("status = 'in_progress' AND exclusive"),
        postgresql_where=text("status = 'in_progress' AND exclusive"),
    ),
    Index(
        "one_consultation_per_appointment",
        "appointment_id",
        unique=True,
        sqlite_where=text("status = 'in_progress'"),
        postgresql_where=text("status = 'in_progress'"),
    ),
    Index(
        "one_check_in_per_appointment",
        "appointment_id",
        unique=True,
        sqlite_where=text("status = 'pending'"),
        postgresql_where=text("status = 'pending'"),
    ),
    Index(
        "an_appointment_is_completed_once",
        "appointment_id",
        unique=True,
        sqlite_where=text("outcome = 'done'"),
        postgresql_where=text("outcome = 'done'"),
    ),
    Index("trackings_by_patient", "patient_id", "status"),
    Index("trackings_by_appointment", "appointment_id"),
    Index(
        "open_trackings_by_day",
        "visit_day",
        sqlite_where=text("status <> 'completed'"),
        postgresql_where=text("status <> 'completed'"),
    ),
)

waiting_line = Table(
    "waiting_line",
    metadata,
    Column("id", Id, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id"), nullable=False),
    Column("appointment_id", ForeignKey("appointments.id"), nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("since", Timestamp, nullable=False),
    Column("offered_until", Timestamp),
    Index("one_place_in_line_per_doctor", "patient_id", "visit_day", "doctor_id", unique=True),
)

# What happened to a patient, one row for each change. The timeline is permanent, but the event log is pruned.
timeline = Table(
    "timeline",
    metadata,
    Column("id", Id, primary_key=True),
    Column("patient_id", ForeignKey("patients.id"), nullable=False),
    Column("visit_day", Date, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("event", String(40), nullable=False),
    Column("doctor_id", BigInteger),
    Column("appointment_id", BigInteger),
    Column("consultation_id", String(36)),
    Column("caller_id", ForeignKey("callers.id")),
    Column("particulars", Text, nullable=False, default="{}"),
    Column("reason", Text),
    Index("timeline_by_visit", "patient_id", "visit_day", "id"),
)

# `request_id` is the SHA-256 of caller and Idempotency-Key. So (caller, key) is unique, and no text from a client is stored.
requests = Table(
    "requests",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("caller_id", ForeignKey("callers.id"), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("command", Text),
    Column("reason", Text),
    Column("decided_at", Timestamp),
    Column("status", SmallInteger),
    Column("body", Text),
    Column("location", String(200)),
    CheckConstraint("(decided_at IS NULL) = (status IS NULL)", name="a_decided_request_has_a_status"),
    Index("requests_by_age", "created_at"),
    Index(
        "undecided_requests",
        "created_at",
        sqlite_where=text("decided_at IS NULL"),
        postgresql_where=text("decided_at IS NULL"),
    ),
)

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("epoch", String(16), nullable=False),
    CheckConstraint("id = 1", name="one_log_has_one_head"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("dedup_key", String(200), nullable=False, unique=True),
    Column("at", Timestamp, nullable=False),
    Column("channel", String(60), nullable=False),
    Column("name", String(40), nullable=False),
    Column("data", Text, nullable=False),
    Column("patient_id", BigInteger, nullable=False),
    Column("consultation_id", String(36)),
    Index("events_by_channel", "channel", "seq"),
    Index("events_by_age", "at"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("username", String(200), nullable=False, unique=True),
    Column("password_hash", String(300), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("doctor_id", ForeignKey("doctors.id")),
    Column("revoked_at", Timestamp),
    CheckConstraint("role IN ('doctor', 'reception', 'supervisor', 'service')", name="an_account_has_a_known_role"),
    CheckConstraint("(role = 'doctor') = (doctor_id IS NOT NULL)", name="a_doctors_account_names_the_doctor"),
)

# A session is stored under the SHA-256 of its cookie, so that a reader of the table cannot sign in with it.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Index("sessions_by_account", "account_id"),
    Index("sessions_by_expiry", "expires_at"),
)

# One row for each attempt to sign in, added before the password is checked. A successful sign-in deletes the rows of its source.
# `who` is a hash of username and address, called `source` in the code.
sign_in_attempts = Table(
    "sign_in_failures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("who", String(64), nullable=False),
    Column("at", Timestamp, nullable=False),
    Index("sign_in_failures_by_who", "who", "at"),
)

# The API processes with an event stream, with the data of their last report. The rows do not belong to a visit. They are deleted
# when the process stops.
stream_processes = Table(
    "stream_processes",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("cursor", String(40), nullable=False),
)

# One row for each subscriber of each process. `cursor` is null for a subscriber that is not behind.
stream_readers = Table(
    "stream_readers",
    metadata,
    Column("process_id", ForeignKey("stream_processes.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("user", String(300), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("since", Timestamp, nullable=False),
    Column("cursor", String(40)),
)
