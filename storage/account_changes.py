"""Changes of staff accounts: names, roles, passwords, revocation. There is always an active admin, once there was one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, or_, select, update

from patient_visit_engine.storage.accounts import Account, add_account, find_account_number, fold_login
from patient_visit_engine.storage.tables import accounts, doctors, sessions
from patient_visit_engine.visit.codes import Role

#: The fewest characters of a new password.
MIN_PASSWORD_LENGTH = 8
IS_ACTIVE_ADMIN = and_(accounts.c.role == Role.admin.value, accounts.c.revoked_at.is_(None))


class AccountChangeError(Exception):
    """A change that the rules of accounts do not allow. Nothing was written."""


class UsernameTakenError(AccountChangeError):
    """Another account has this username, in some case."""


class LastAdminError(AccountChangeError):
    """Without this account there would be no active admin."""


class DoctorMismatchError(AccountChangeError):
    """A doctor's account without a doctor, or another account with one."""


class UnknownDoctorError(AccountChangeError):
    """There is no such doctor."""


@dataclass(frozen=True)
class NewAccount:
    """An account to add. `name` is the shown name, and `doctor_id` is set for doctors only."""

    username: str
    password_hash: str
    name: str
    role: Role
    doctor_id: int | None = None


@dataclass(frozen=True)
class AccountChange:
    """What changes in an account. None: it stays. An account that is not active is revoked."""

    name: str | None = None
    role: Role | None = None
    doctor_id: int | None = None
    is_active: bool | None = None


def create_account(connection: Connection, new: NewAccount) -> int:
    """Add an account and return its id. Raises `AccountChangeError`."""
    _check_doctor(connection, new.role, new.doctor_id)
    if not add_account(connection, new.username, new.password_hash, new.name, new.role, new.doctor_id):
        raise UsernameTakenError
    is_new = accounts.c.login == fold_login(new.username)
    account_id: int = connection.execute(select(accounts.c.id).where(is_new)).scalar_one()
    return account_id


def change_account(connection: Connection, account_id: int, change: AccountChange, now: datetime) -> bool:
    """Change the account, and end its sessions unless only the shown name changes.

    Returns False when the account does not exist. Raises `AccountChangeError`.
    """
    # All admins are locked, in one order. Otherwise two admins could revoke each other at the same moment.
    locked = select(accounts).where(or_(accounts.c.id == account_id, IS_ACTIVE_ADMIN)).order_by(accounts.c.id)
    rows = {row.id: row for row in connection.execute(locked.with_for_update())}
    row = rows.pop(account_id, None)
    if row is None:
        return False
    values = _changed_values(row, change, now)
    if not values:
        return True
    will_be_admin = (
        values.get("role", row.role) == Role.admin.value and values.get("revoked_at", row.revoked_at) is None
    )
    if row.role == Role.admin.value and row.revoked_at is None and not will_be_admin and not rows:
        raise LastAdminError
    if "role" in values or "doctor_id" in values:
        _check_doctor(connection, Role(values.get("role", row.role)), values.get("doctor_id", row.doctor_id))
    _write(connection, account_id, values, ends_sessions=values.keys() != {"name"})
    return True


def _changed_values(row: Row[*tuple[Any, ...]], change: AccountChange, now: datetime) -> Mapping[str, Any]:
    role = row.role if change.role is None else change.role.value
    # An account that is no doctor's any more loses its doctor.
    doctor_id = row.doctor_id if role == Role.doctor.value else None
    revoked_at = row.revoked_at
    if change.is_active is not None:
        revoked_at = None if change.is_active else row.revoked_at or now
    if revoked_at is None and row.login is None:
        # Schema 0007 gave its name to another account.
        raise UsernameTakenError
    values = {
        "name": row.name if change.name is None else change.name,
        "role": role,
        "doctor_id": doctor_id if change.doctor_id is None else change.doctor_id,
        "revoked_at": revoked_at,
    }
    return {name: value for name, value in values.items() if value != row._mapping[name]}


def _check_doctor(connection: Connection, role: Role, doctor_id: int | None) -> None:
    if (role is Role.doctor) != (doctor_id is not None):
        raise DoctorMismatchError
    if doctor_id is not None and connection.scalar(select(doctors.c.id).where(doctors.c.id == doctor_id)) is None:
        raise UnknownDoctorError


def change_named_account(connection: Connection, username: str, change: AccountChange, now: datetime) -> bool:
    """Change the account with this username. Case does not count. See `change_account`."""
    account_id = find_account_number(connection, username)
    return account_id is not None and change_account(connection, account_id, change, now)


def change_password(connection: Connection, username: str, password_hash: str) -> bool:
    """Set a new password and end the account's sessions. Returns False when the account does not exist."""
    account_id = find_account_number(connection, username)
    if account_id is None:
        return False
    _write(connection, account_id, {"password_hash": password_hash}, ends_sessions=True)
    return True


def change_own_password(connection: Connection, account: Account, password_hash: str, token_hash: str) -> bool:
    """Set a new password and end the account's sessions, except this one.

    Returns False when the account was revoked, or its password changed, after `account` was read.
    """
    unchanged = (
        accounts.c.id == account.id,
        accounts.c.password_hash == account.password_hash,
        accounts.c.revoked_at.is_(None),
    )
    if connection.execute(update(accounts).where(*unchanged).values(password_hash=password_hash)).rowcount == 0:
        return False
    is_other = sessions.c.account_id == account.id, sessions.c.token_hash != token_hash
    connection.execute(delete(sessions).where(*is_other))
    return True


def _write(connection: Connection, account_id: int, values: Mapping[str, Any], *, ends_sessions: bool) -> None:
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(**values))
    if ends_sessions:
        # API processes cache each session with its account. Without this they would use the old account.
        connection.execute(delete(sessions).where(sessions.c.account_id == account_id))
