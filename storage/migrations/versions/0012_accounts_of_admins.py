"""Accounts with the role `admin`.

SQLite cannot change a constraint. There, the table of accounts is built again with its rows.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision: str | None = "0011"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")

KNOWN_ROLE, ONE_LOGIN = "an_account_has_a_known_role", "one_account_per_login"
OLD_ROLES = "role IN ('doctor', 'reception', 'supervisor', 'service')"
NEW_ROLES = "role IN ('doctor', 'reception', 'supervisor', 'service', 'admin')"
COLUMNS = "id, username, password_hash, name, role, doctor_id, revoked_at, login"


def upgrade() -> None:
    """No account changes."""
    _replace_roles(NEW_ROLES)


def downgrade() -> None:
    """Close the accounts of admins. The older program knows no such role, so these rows get `service`."""
    now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')" if _is_sqlite() else "date_trunc('milliseconds', now())"
    values = f"role = 'service', revoked_at = coalesce(revoked_at, {now})"
    op.execute("DELETE FROM sessions WHERE account_id IN (SELECT id FROM accounts WHERE role = 'admin')")
    op.execute(f"UPDATE accounts SET {values} WHERE role = 'admin'")  # noqa: S608 - constant
    _replace_roles(OLD_ROLES)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _replace_roles(condition: str) -> None:
    if not _is_sqlite():
        op.drop_constraint(KNOWN_ROLE, "accounts")
        op.create_check_constraint(KNOWN_ROLE, "accounts", condition)
        return
    op.drop_index(ONE_LOGIN, "accounts")
    op.create_table("new_accounts", *_items(condition))
    op.execute(f"INSERT INTO new_accounts ({COLUMNS}) SELECT {COLUMNS} FROM accounts")  # noqa: S608 - only names of this file
    op.drop_table("accounts")
    op.rename_table("new_accounts", "accounts")
    op.create_index(ONE_LOGIN, "accounts", ["login"], unique=True)


def _items(known_role: str) -> list[Any]:
    return [
        sa.Column("id", ID, nullable=False),
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
