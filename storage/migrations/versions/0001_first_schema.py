"""The first schema, with the head of an empty log and the caller `system`, the engine itself."""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def upgrade() -> None:
    """Create all tables and their first rows."""
    _master_data()
    _visits()
    _requests_and_events()
    _staff()
    head = sa.table("log_head", sa.column("id"), sa.column("seq"), sa.column("epoch"))
    op.execute(sa.insert(head).values(id=1, seq=0, epoch=secrets.token_hex(4)))
    callers = sa.table("callers", sa.column("subject"), sa.column("created_by"))
    op.execute(sa.insert(callers).values(subject="system", created_by="system"))


def only(rows: str) -> dict[str, Any]:
    """Arguments for an index of only these rows, for both databases."""
    return {"sqlite_where": sa.text(rows), "postgresql_where": sa.text(rows)}


def _master_data() -> None:
    op.create_table(
        "patients",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_name", sa.String(200), nullable=False),
        sa.Column("last_name", sa.String(200), nullable=False),
        sa.Column("birth_date", sa.Date()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "doctors",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("specialization", sa.String(200)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "prestations",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("expected_minutes", sa.Integer(), nullable=False),
        sa.CheckConstraint("expected_minutes > 0", name="a_prestation_takes_time"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "appointments",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("prestation_id", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", MOMENT, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("status BETWEEN 0 AND 5", name="an_appointment_has_a_known_status"),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["prestation_id"], ["prestations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("appointments_by_doctor", "appointments", ["doctor_id", "scheduled_at"])
    op.create_index("appointments_by_patient", "appointments", ["patient_id", "scheduled_at"])
    op.create_index("appointments_by_time", "appointments", ["scheduled_at", "id"])


def _visits() -> None:
    op.create_table(
        "callers",
        sa.Column("id", ID, nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("created_by", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subject"),
    )
    op.create_table(
        "patient_trackings",
        sa.Column("id", ID, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("appointment_id", sa.BigInteger(), nullable=False),
        sa.Column("prestation_id", sa.BigInteger(), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(20)),
        sa.Column("check_in_time", MOMENT, nullable=False),
        sa.Column("check_out_time", MOMENT),
        sa.Column("created_by", ID, nullable=False),
        sa.Column("consultation_id", sa.String(36)),
        sa.Column("started_at", MOMENT),
        sa.Column("overdue_at", MOMENT),
        sa.Column("remind_at", MOMENT),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("abandon_at", MOMENT),
        sa.CheckConstraint(
            "(status = 'completed') = (check_out_time IS NOT NULL) AND (status = 'completed') = (outcome IS NOT NULL)",
            name="a_completed_tracking_says_when_and_why",
        ),
        sa.CheckConstraint(
            "status <> 'in_progress' OR consultation_id IS NOT NULL", name="in_progress_means_a_consultation"
        ),
        sa.CheckConstraint("status IN ('pending', 'in_progress', 'completed')", name="a_tracking_has_a_known_status"),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"]),
        sa.ForeignKeyConstraint(["created_by"], ["callers.id"]),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["prestation_id"], ["prestations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("consultation_id"),
    )
    op.create_index(
        "an_appointment_is_completed_once",
        "patient_trackings",
        ["appointment_id"],
        unique=True,
        **only("outcome = 'done'"),
    )
    op.create_index(
        "one_check_in_per_appointment",
        "patient_trackings",
        ["appointment_id"],
        unique=True,
        **only("status = 'pending'"),
    )
    op.create_index(
        "one_consultation_per_appointment",
        "patient_trackings",
        ["appointment_id"],
        unique=True,
        **only("status = 'in_progress'"),
    )
    op.create_index(
        "one_exclusive_consultation_per_patient",
        "patient_trackings",
        ["patient_id"],
        unique=True,
        **only("status = 'in_progress' AND exclusive"),
    )
    op.create_index("open_trackings_by_day", "patient_trackings", ["visit_day"], **only("status <> 'completed'"))
    op.create_index("trackings_by_appointment", "patient_trackings", ["appointment_id"])
    op.create_index("trackings_by_patient", "patient_trackings", ["patient_id", "status"])
    op.create_table(
        "waiting_line",
        sa.Column("id", ID, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("appointment_id", sa.BigInteger(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("offered_until", MOMENT),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"]),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "one_place_in_line_per_doctor", "waiting_line", ["patient_id", "visit_day", "doctor_id"], unique=True
    )
    op.create_table(
        "timeline",
        sa.Column("id", ID, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("doctor_id", sa.BigInteger()),
        sa.Column("appointment_id", sa.BigInteger()),
        sa.Column("consultation_id", sa.String(36)),
        sa.Column("caller_id", ID),
        sa.Column("particulars", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(["caller_id"], ["callers.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("timeline_by_visit", "timeline", ["patient_id", "visit_day", "id"])


def _requests_and_events() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("caller_id", ID, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("command", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("decided_at", MOMENT),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("body", sa.Text()),
        sa.Column("location", sa.String(200)),
        sa.CheckConstraint("(decided_at IS NULL) = (status IS NULL)", name="a_decided_request_has_a_status"),
        sa.ForeignKeyConstraint(["caller_id"], ["callers.id"]),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("requests_by_age", "requests", ["created_at"])
    op.create_index("undecided_requests", "requests", ["created_at"], **only("decided_at IS NULL"))
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.String(16), nullable=False),
        sa.CheckConstraint("id = 1", name="one_log_has_one_head"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dedup_key", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("channel", sa.String(60), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("consultation_id", sa.String(36)),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("dedup_key"),
    )
    op.create_index("events_by_age", "events", ["at"])
    op.create_index("events_by_channel", "events", ["channel", "seq"])


def _staff() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("username", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(300), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("doctor_id", sa.BigInteger()),
        sa.Column("revoked_at", MOMENT),
        sa.CheckConstraint("(role = 'doctor') = (doctor_id IS NOT NULL)", name="a_doctors_account_names_the_doctor"),
        sa.CheckConstraint(
            "role IN ('doctor', 'reception', 'supervisor', 'service')", name="an_account_has_a_known_role"
        ),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("username"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("sessions_by_account", "sessions", ["account_id"])
    op.create_index("sessions_by_expiry", "sessions", ["expires_at"])
    op.create_table(
        "sign_in_failures",
        sa.Column("id", ID, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sign_in_failures_by_who", "sign_in_failures", ["who", "at"])
