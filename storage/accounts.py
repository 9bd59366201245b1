"""Staff accounts, their sessions and failed sign-ins; it must not know passwords, cookies or HTTP: only hashes come here."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, ColumnElement, Connection, String, bindparam, delete, func, insert, select, update

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.tables import accounts, sessions, sign_in_failures
from patient_visit_engine.visit.codes import Role

#: How long a failed sign-in counts, and how many of them stop further ones.
FAILURES_COUNT_FOR = timedelta(minutes=5)
FAILURES_ALLOWED = 5


@dataclass(frozen=True)
class Account:
    """A member of staff; `doctor_id` is set for doctors and for nobody else."""

    id: int
    username: str
    password_hash: str
    name: str
    role: Role
    doctor_id: int | None


@dataclass(frozen=True)
class OpenSession:
    """A session that holds now, and the account that it is for."""

    account_id: int
    name: str
    role: Role
    doctor_id: int | None
    expires_at: datetime


HOLDS = (
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
    """Open an account; False when the name is taken. A doctor's account names the doctor, no other does."""
    row = {"username": username, "password_hash": password_hash, "name": name, "role": role.value}
    return insert_if_new(connection, accounts, by="username", **row, doctor_id=doctor_id)


def change_password(connection: Connection, username: str, password_hash: str) -> bool:
    """Set a new password, which ends the account's sessions; False when there is no such account."""
    changed = update(accounts).where(accounts.c.username == username).values(password_hash=password_hash)
    return connection.execute(changed).rowcount == 1 and _end_sessions(connection, username)


def revoke(connection: Connection, username: str, now: datetime) -> bool:
    """Close the account and its sessions for good; False when there is no such account."""
    revoked = update(accounts).where(accounts.c.username == username).values(revoked_at=now)
    return connection.execute(revoked).rowcount == 1 and _end_sessions(connection, username)


def _end_sessions(connection: Connection, username: str) -> bool:
    whose = select(accounts.c.id).where(accounts.c.username == username).scalar_subquery()
    connection.execute(delete(sessions).where(sessions.c.account_id == whose))
    return True


def account_named(connection: Connection, username: str) -> Account | None:
    """The account that may sign in under this name; a revoked one may not."""
    query = select(accounts).where(accounts.c.username == username, accounts.c.revoked_at.is_(None))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Account(row.id, row.username, row.password_hash, row.name, Role(row.role), row.doctor_id)


def open_session(
    connection: Connection, account: Account, token_hash: str, now: datetime, expires_at: datetime
) -> bool:
    """Begin a session, and forget those that have expired; False when the account has changed since it was read."""
    same = select(accounts.c.id).where(
        accounts.c.id == account.id,
        accounts.c.password_hash == account.password_hash,
        accounts.c.revoked_at.is_(None),
    )
    # Locked: on PostgreSQL a revocation that commits between this look and the insert would leave a session behind.
    if connection.scalar(same.with_for_update(read=True)) is None:
        return False
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    row = {"token_hash": token_hash, "account_id": account.id, "created_at": now, "expires_at": expires_at}
    connection.execute(insert(sessions).values(**row))
    return True


def find_session(connection: Connection, token_hash: str, now: datetime) -> OpenSession | None:
    """The session, unless it has expired or its account was revoked."""
    row = connection.execute(HOLDS, {"token_hash": token_hash, "now": now}).one_or_none()
    return row and OpenSession(row.account_id, row.name, Role(row.role), row.doctor_id, row.expires_at)


def open_sessions(connection: Connection, token_hashes: Collection[str], now: datetime) -> set[str]:
    """Those of the sessions that hold now."""
    # Who is revoked has no session any more, so nobody is looked up besides: PostgreSQL would, for a third of a second.
    holding = select(sessions.c.token_hash).where(_one_of(connection, token_hashes), sessions.c.expires_at > now)
    return set(connection.scalars(holding))


def _one_of(connection: Connection, token_hashes: Collection[str]) -> ColumnElement[bool]:
    """One parameter for thousands of hashes: with one each, the statement is compiled anew each time."""
    if connection.dialect.name == "postgresql":
        asked = (
            func.unnest(bindparam("asked", list(token_hashes), ARRAY(String))).table_valued("value").render_derived()
        )
    else:
        asked = func.json_each(json.dumps(list(token_hashes))).table_valued("value")
    return sessions.c.token_hash.in_(select(asked.c.value))


def close_session(connection: Connection, token_hash: str) -> None:
    """End the session; one that does not exist is ended already."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def admit_attempt(connection: Connection, who: str, now: datetime) -> timedelta | None:
    """Count one attempt to sign in, before it is judged: None when it may go on, else how long to wait.

    Counted afterwards, any number of attempts at the same moment would all be let through.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(who))))
    connection.execute(delete(sign_in_failures).where(sign_in_failures.c.at <= now - FAILURES_COUNT_FOR))
    counted, oldest = connection.execute(
        select(func.count(), func.min(sign_in_failures.c.at)).where(sign_in_failures.c.who == who)
    ).one()
    if counted >= FAILURES_ALLOWED:
        wait: timedelta = oldest + FAILURES_COUNT_FOR - now
        return wait
    connection.execute(insert(sign_in_failures).values(who=who, at=now))
    return None


def forget_attempts(connection: Connection, who: str) -> None:
    """A sign-in succeeded: what failed before it no longer counts."""
    connection.execute(delete(sign_in_failures).where(sign_in_failures.c.who == who))
