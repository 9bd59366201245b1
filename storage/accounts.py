"""Staff accounts, their sessions and attempts to sign in. Passwords and cookies arrive here as hashes only."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, ColumnElement, Connection, String, bindparam, delete, func, insert, select, update

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.tables import accounts, sessions, sign_in_attempts
from patient_visit_engine.visit.codes import Role

#: How long an attempt to sign in counts, and how many attempts block further ones. A successful sign-in deletes them.
ATTEMPT_LIFETIME = timedelta(minutes=5)
MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class Account:
    """The account of a member of staff. `doctor_id` is set for doctors only."""

    id: int
    username: str
    password_hash: str
    name: str
    role: Role
    doctor_id: int | None


@dataclass(frozen=True)
class OpenSession:
    """A session that is open now, with its account."""

    account_id: int
    name: str
    role: Role
    doctor_id: int | None
    expires_at: datetime


SELECT_OPEN_SESSION = (
    select(sessions.c.account_id, sessions.c.expires_at, accounts.c.name, accounts.c.role, accounts.c.doctor_id)
    .join(accounts, accounts.c.id == sessions.c.account_id)
    .where(
        sessions.c.token_hash == bindparam("token_hash"),
        sessions.c.expires_at > bindparam("now"),
        accounts.c.revoked_at.is_(None),
    )
)


def add_account(
    connection: Connection, username: str, password_hash: str, name: str, role: Role, doctor_id: int | None = None
) -> bool:
    """Add an account. Returns False when the username exists. `doctor_id` is required for doctors and only for them."""
    row = {"username": username, "password_hash": password_hash, "name": name, "role": role.value}
    return insert_if_new(connection, accounts, by="username", **row, doctor_id=doctor_id)


def change_password(connection: Connection, username: str, password_hash: str) -> bool:
    """Set a new password and end the account's sessions. Returns False when the account does not exist."""
    change = update(accounts).where(accounts.c.username == username).values(password_hash=password_hash)
    return connection.execute(change).rowcount == 1 and _end_sessions(connection, username)


def revoke_account(connection: Connection, username: str, now: datetime) -> bool:
    """Close the account permanently and end its sessions. Returns False when the account does not exist."""
    revocation = update(accounts).where(accounts.c.username == username).values(revoked_at=now)
    return connection.execute(revocation).rowcount == 1 and _end_sessions(connection, username)


def _end_sessions(connection: Connection, username: str) -> bool:
    account_id = select(accounts.c.id).where(accounts.c.username == username).scalar_subquery()
    connection.execute(delete(sessions).where(sessions.c.account_id == account_id))
    return True


def find_account(connection: Connection, username: str) -> Account | None:
    """Return the account with this username, unless it does not exist or is revoked."""
    query = select(accounts).where(accounts.c.username == username, accounts.c.revoked_at.is_(None))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Account(row.id, row.username, row.password_hash, row.name, Role(row.role), row.doctor_id)


def open_session(
    connection: Connection, account: Account, token_hash: str, now: datetime, expires_at: datetime
) -> bool:
    """Add a session and delete expired ones. Returns False when the account was revoked or changed after `account` was read."""
    unchanged = select(accounts.c.id).where(
        accounts.c.id == account.id,
        accounts.c.password_hash == account.password_hash,
        accounts.c.revoked_at.is_(None),
    )
    # Locks the account. Otherwise, on PostgreSQL, a revocation could commit between this query and the insert, and the
    # new session would stay open.
    if connection.scalar(unchanged.with_for_update(read=True)) is None:
        return False
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    row = {"token_hash": token_hash, "account_id": account.id, "created_at": now, "expires_at": expires_at}
    connection.execute(insert(sessions).values(**row))
    return True


def find_session(connection: Connection, token_hash: str, now: datetime) -> OpenSession | None:
    """Return the session, unless it has expired or its account is revoked."""
    row = connection.execute(SELECT_OPEN_SESSION, {"token_hash": token_hash, "now": now}).one_or_none()
    return row and OpenSession(row.account_id, row.name, Role(row.role), row.doctor_id, row.expires_at)


def find_open_sessions(connection: Connection, token_hashes: Collection[str], now: datetime) -> set[str]:
    """Return those of the sessions that are open now."""
    # No join with `accounts`: a revocation deletes the sessions, and the join takes PostgreSQL a third of a second.
    query = select(sessions.c.token_hash).where(_is_one_of(connection, token_hashes), sessions.c.expires_at > now)
    return set(connection.scalars(query))


def _is_one_of(connection: Connection, token_hashes: Collection[str]) -> ColumnElement[bool]:
    """Compare with all hashes through one parameter. With one parameter for each hash, each call would compile a new statement."""
    if connection.dialect.name == "postgresql":
        values = (
            func.unnest(bindparam("token_hashes", list(token_hashes), ARRAY(String)))
            .table_valued("value")
            .render_derived()
        )
    else:
        values = func.json_each(json.dumps(list(token_hashes))).table_valued("value")
    return sessions.c.token_hash.in_(select(values.c.value))


def close_session(connection: Connection, token_hash: str) -> None:
    """End the session, if it exists."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def admit_attempt(connection: Connection, source: str, now: datetime) -> timedelta | None:
    """Count one attempt to sign in, before the password is checked. Returns the time to wait, or None for an admitted attempt.

    `source` is a hash of username and address. If attempts were counted after the check, any number of concurrent
    attempts would be admitted.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(source))))
    connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.at <= now - ATTEMPT_LIFETIME))
    count, oldest = connection.execute(
        select(func.count(), func.min(sign_in_attempts.c.at)).where(sign_in_attempts.c.who == source)
    ).one()
    if count >= MAX_ATTEMPTS:
        wait: timedelta = oldest + ATTEMPT_LIFETIME - now
        return wait
    connection.execute(insert(sign_in_attempts).values(who=source, at=now))
    return None


def forget_attempts(connection: Connection, source: str) -> None:
    """Delete the attempts of this source, after a successful sign-in."""
    connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.who == source))
