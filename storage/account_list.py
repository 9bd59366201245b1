"""Staff accounts as administrators see them: every account, also revoked ones, without passwords."""

from typing import Any

from sqlalchemy import Connection, Row, select

from patient_visit_engine.storage.tables import accounts
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire import account_bodies

COLUMNS = (
    accounts.c.id,
    accounts.c.username,
    accounts.c.name,
    accounts.c.role,
    accounts.c.doctor_id,
    accounts.c.revoked_at,
)


def list_accounts(connection: Connection) -> list[account_bodies.Account]:
    """All accounts, in the order of their usernames without case."""
    rows = connection.execute(select(*COLUMNS).order_by(accounts.c.id)).all()
    # Sorted here, because the two databases sort names differently.
    return sorted(map(_account, rows), key=lambda account: (account["username"].casefold(), account["id"]))


def read_account(connection: Connection, account_id: int) -> account_bodies.Account | None:
    """The account with this id, or None."""
    row = connection.execute(select(*COLUMNS).where(accounts.c.id == account_id)).one_or_none()
    return None if row is None else _account(row)


def _account(row: Row[*tuple[Any, ...]]) -> account_bodies.Account:
    return {
        "id": row.id,
        "username": row.username,
        "name": row.name,
        "role": Role(row.role),
        "doctor_id": row.doctor_id,
        "active": row.revoked_at is None,
    }
