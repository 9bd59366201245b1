"""What a hospital day needs: corrections, pauses, cancellations, priorities, tickets, rooms, calls, and the day's report."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision: str | None = "0013"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
MOMENT: Any = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
MOMENTS = (
    ("patient_trackings", "changed_at"),
    ("patient_trackings", "paused_at"),
    ("appointments", "canceled_at"),
    ("appointments", "called_at"),
    ("doctors", "call_until"),
)
# With their checks, which SQLite can only add in this way.
COLUMNS = (
    ("patient_trackings", "paused_seconds INTEGER DEFAULT 0 NOT NULL"),
    (
        "appointments",
        "cancel_reason VARCHAR(20) CONSTRAINT a_cancellation_has_a_known_reason"
        " CHECK (cancel_reason IN ('patient', 'clinic', 'no_show', 'other'))",
    ),
    ("requests", "plan TEXT"),
    ("appointments", "priority SMALLINT CONSTRAINT a_priority_is_known CHECK (priority BETWEEN 1 AND 5)"),
    ("patient_trackings", "ticket_day DATE"),
    ("requests", "material TEXT"),
    ("log_head", "ticket_day DATE"),
    ("log_head", "ticket_number INTEGER DEFAULT 0 NOT NULL"),
    ("doctors", "day_room VARCHAR(200)"),
    ("doctors", "day_room_on DATE"),
    ("doctors", "called_appointment_id BIGINT"),
    ("appointments", "no_answers SMALLINT DEFAULT 0 NOT NULL"),
    ("appointments", "behind_id BIGINT"),
)
# No query needs it any more, so a check-in does not write more indexes than before.
DROPPED_INDEXES = (("trackings_by_patient", "patient_trackings", ["patient_id", "status"]),)
INDEXES = (
    ("tickets_by_day", "patient_trackings", ["ticket_day", "person_id"], "ticket_day IS NOT NULL"),
    ("ended_trackings_by_day", "patient_trackings", ["visit_day"], "status = 'completed'"),
    ("refusals_by_day", "timeline", ["visit_day"], "event = 'refused'"),
)


#: The roles of accounts, before and after.
OLD_ROLES = "role IN ('doctor', 'reception', 'supervisor', 'service', 'admin')"
NEW_ROLES = "role IN ('doctor', 'reception', 'supervisor', 'service', 'admin', 'wall')"
KNOWN_ROLE, ONE_LOGIN = "an_account_has_a_known_role", "one_account_per_login"
ACCOUNT_COLUMNS = "id, username, password_hash, name, role, doctor_id, revoked_at, login"


def upgrade() -> None:
    """Add the columns. A cancellation that is there has no time, so it cannot be taken back."""
    for table, name in MOMENTS:
        op.add_column(table, sa.Column(name, MOMENT))
    for table, column in COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for name, table, _columns in DROPPED_INDEXES:
        op.drop_index(name, table)
    for name, table, columns, rows in INDEXES:
        op.create_index(name, table, columns, sqlite_where=sa.text(rows), postgresql_where=sa.text(rows))
    _replace_roles(NEW_ROLES)


def downgrade() -> None:
    """Drop the columns. The older program does not know what was taken back, so it counts as released.

    The log says so too, because `audit` compares it with the rows. A ticket without its day would have no meaning, so it goes too. The
    accounts of walls are closed: these rows get `service`, and no password, because many people know that of a screen.
    """
    now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')" if _is_sqlite() else "date_trunc('milliseconds', now())"
    values = f"role = 'service', password_hash = '', revoked_at = coalesce(revoked_at, {now})"
    op.execute("DELETE FROM sessions WHERE account_id IN (SELECT id FROM accounts WHERE role = 'wall')")
    op.execute(f"UPDATE accounts SET {values} WHERE role = 'wall'")  # noqa: S608 - constant
    _replace_roles(OLD_ROLES)
    for name, table, _columns, _rows in INDEXES:
        op.drop_index(name, table)
    for name, table, columns in DROPPED_INDEXES:
        op.create_index(name, table, columns)
    for outcome in ("mistaken", "transferred"):
        # In the JSON of a text each quote has a backslash before it, so only the field is found.
        text = f'replace(data, \'"outcome":"{outcome}"\', \'"outcome":"released"\')'
        op.execute(f"UPDATE patient_trackings SET outcome = 'released' WHERE outcome = '{outcome}'")  # noqa: S608 - constant
        op.execute(f"UPDATE events SET data = {text} WHERE name = 'consultation.completed' AND data <> {text}")  # noqa: S608 - constant
    op.execute("UPDATE patient_trackings SET ticket = NULL WHERE ticket IS NOT NULL")
    _end_pauses()
    for table, column in COLUMNS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column.partition(' ')[0]}")
    for table, name in MOMENTS:
        op.drop_column(table, name)


def _end_pauses() -> None:
    """A paused consultation is in progress again, and its patient is not reserved. If the person is in another exclusive one, it ends."""
    op.execute(
        """
        UPDATE patient_trackings SET status = 'completed', outcome = 'timed_out', check_out_time = paused_at
        WHERE status = 'paused' AND exclusive AND EXISTS (
            SELECT 1 FROM patient_trackings AS other
            WHERE other.person_id = patient_trackings.person_id AND other.exclusive
            AND (other.status = 'in_progress' OR other.status = 'paused' AND other.id < patient_trackings.id)
        )
        """
    )
    op.execute("UPDATE patient_trackings SET status = 'in_progress' WHERE status = 'paused'")
    # Otherwise the patient would be offered to the line during the consultation, when the reservation ends.
    op.execute(
        """
        DELETE FROM reservations WHERE person_id IN (
            SELECT person_id FROM patient_trackings WHERE status = 'in_progress' AND exclusive
        )
        """
    )
    # 5 is `in_progress`, 1 is `confirmed`.
    op.execute(
        """
        UPDATE appointments SET status = 1 WHERE status = 5 AND NOT EXISTS (
            SELECT 1 FROM patient_trackings AS running
            WHERE running.appointment_id = appointments.id AND running.status = 'in_progress'
        )
        """
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _replace_roles(condition: str) -> None:
    """SQLite cannot change a constraint. There, the table of accounts is built again with its rows."""
    if not _is_sqlite():
        op.drop_constraint(KNOWN_ROLE, "accounts")
        op.create_check_constraint(KNOWN_ROLE, "accounts", condition)
        return
    op.drop_index(ONE_LOGIN, "accounts")
    op.create_table("new_accounts", *_account_items(condition))
    op.execute(f"INSERT INTO new_accounts ({ACCOUNT_COLUMNS}) SELECT {ACCOUNT_COLUMNS} FROM accounts")  # noqa: S608 - names of this file
    op.drop_table("accounts")
    op.rename_table("new_accounts", "accounts")
    op.create_index(ONE_LOGIN, "accounts", ["login"], unique=True)


def _account_items(known_role: str) -> list[Any]:
    return [
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("username", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(300), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("doctor_id", sa.BigInteger()),
        sa.Column("revoked_at", MOMENT),
        sa.Column("login", sa.String(600)),
        sa.CheckConstraint("(role = 'doctor') = (doctor_id IS NOT NULL)", name="a_doctors_account_names_the_doctor"),
        sa.CheckConstraint(known_role, name=KNOWN_ROLE),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("username"),
    ]
