"""The tables of the staff accounts and their sessions."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, String, Table

from patient_visit_engine.storage.tables.columns import Id, Timestamp, metadata

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
