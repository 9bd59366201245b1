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
    # The folded username. In an older database, an account that differed from another one only in case keeps its own spelling
    # here. Case folding can make a text three times as long.
    Column("login", String(600)),
    Index("one_account_per_login", "login", unique=True),
    CheckConstraint(
        "role IN ('doctor', 'reception', 'supervisor', 'service', 'admin', 'wall')", name="an_account_has_a_known_role"
    ),
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

# The addresses where an account has signed in, each as a SHA-256. So the addresses of staff are not readable at a glance.
sign_in_places = Table(
    "sign_in_places",
    metadata,
    Column("id", Id, primary_key=True),
    Column("place", String(64), nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    Index("one_row_per_place_and_account", "place", "account_id", unique=True),
    Index("sign_in_places_by_age", "seen_at"),
)
