"""Staff accounts and their sessions. Passwords and cookies arrive here as hashes only."""

import json
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Select, String, bindparam, delete, func, insert, select, update

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.sign_in_places import note_place
from patient_visit_engine.storage.tables import accounts, sessions
from patient_visit_engine.visit.codes import Role


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


def fold_login(username: str) -> str:
    """The login of a username: without case, and in Unicode's composed form (NFC). Accents count, as in passwords."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", username).casefold())


def add_account(
    connection: Connection, username: str, password_hash: str, name: str, role: Role, doctor_id: int | None = None
) -> bool:
    """Add an account. Returns False when the username exists, in any case. `doctor_id` is required for doctors and only for them."""
    row = {"username": username, "login": fold_login(username), "password_hash": password_hash, "name": name}
    return insert_if_new(connection, accounts, by="login", **row, role=role.value, doctor_id=doctor_id)


def _named(query: Select[Any], username: str) -> Select[Any]:
    """The query for the account with this name. Of two accounts that differ only in case, the exact name comes first."""
    is_exact = accounts.c.login == username
    return query.where(accounts.c.login.in_([username, fold_login(username)])).order_by(is_exact.desc()).limit(1)


def find_account(connection: Connection, username: str) -> Account | None:
    """Return the account with this username, unless it does not exist or is revoked. Case does not count."""
    row = connection.execute(_named(select(accounts), username)).one_or_none()
    if row is None or row.revoked_at is not None:
        return None
    return Account(row.id, row.username, row.password_hash, row.name, Role(row.role), row.doctor_id)


def find_account_of_session(connection: Connection, token_hash: str) -> Account | None:
    """Return the account of this session, unless the session has ended or the account is revoked."""
    is_of_session = accounts.c.id == sessions.c.account_id, sessions.c.token_hash == token_hash
    row = connection.execute(select(accounts).where(*is_of_session, accounts.c.revoked_at.is_(None))).one_or_none()
    if row is None:
        return None
    return Account(row.id, row.username, row.password_hash, row.name, Role(row.role), row.doctor_id)


def find_account_number(connection: Connection, username: str) -> int | None:
    """Return the id of the account with this username, also of a revoked one. Case does not count."""
    number: int | None = connection.scalar(_named(select(accounts.c.id), username))
    return number


def open_session(
    connection: Connection, account: Account, token_hash: str, place: str, now: datetime, expires_at: datetime
) -> bool:
    """Add a session, note its place and delete expired sessions.

    Returns False when the account was revoked or changed after `account` was read.
    """
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
    note_place(connection, account.id, place, now)
    return True


def find_session(connection: Connection, token_hash: str, now: datetime) -> OpenSession | None:
    """Return the session, unless it has expired or its account is revoked."""
    row = connection.execute(SELECT_OPEN_SESSION, {"token_hash": token_hash, "now": now}).one_or_none()
    return row and OpenSession(row.account_id, row.name, Role(row.role), row.doctor_id, row.expires_at)


def find_open_sessions(connection: Connection, token_hashes: Collection[str], now: datetime) -> set[str]:
    """Return those of the sessions that are open now."""
    # No join with `accounts`, because the join takes PostgreSQL a third of a second. There are few revoked accounts.
    revoked = select(accounts.c.id).where(accounts.c.revoked_at.is_not(None))
    is_open = sessions.c.expires_at > now, sessions.c.account_id.not_in(revoked)
    return set(connection.scalars(select(sessions.c.token_hash).where(_is_one_of(connection, token_hashes), *is_open)))


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


def renew_session(connection: Connection, token_hash: str, expires_at: datetime) -> None:
    """Make the session end at this time, if it would end before."""
    is_shorter = sessions.c.token_hash == token_hash, sessions.c.expires_at < expires_at
    connection.execute(update(sessions).where(*is_shorter).values(expires_at=expires_at))


def close_session(connection: Connection, token_hash: str) -> None:
    """End the session, if it exists."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))
