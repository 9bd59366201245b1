"""Sessions of people who sign in by password: sign-in, lookup by cookie, and sign-out."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from patient_visit_engine.api.problems import Problem
from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.accounts import Account
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.codes import Role

COOKIE = "visit_session"
#: The prefix of a subject that comes from a bearer token.
TOKEN_PREFIX = "token:"  # noqa: S105 - a prefix
COOKIE_BYTES = 32
#: The number of passwords hashed at the same time. Each takes tens of milliseconds of one core, and tens of mebibytes.
HASHING_THREADS = 2


@dataclass(frozen=True)
class Caller:
    """The person or program that sends a request.

    `subject` identifies the caller, and trackings show `created_by`. Both never change.
    `session` is the stored hash of the cookie, or the subject of a token. Streams are ended by this value.
    After `expires_at` (aware) the session or token is not valid.
    """

    subject: str
    created_by: str
    name: str
    role: Role
    doctor_id: int | None
    expires_at: datetime
    session: str
    by_cookie: bool


def hash_token(token: str) -> str:
    """The SHA-256 under which a session's token is stored."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


class Sessions:
    """Opens, finds and ends sessions. `now` returns the current time, aware, with milliseconds."""

    def __init__(self, database: Database, lifetime: timedelta, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.lifetime = lifetime
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._threads = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="hashing")
        self._dummy_hash: str | None = None

    async def sign_in(self, username: str, password: str, address: str) -> str:
        """Open a session and return its token. Raises Problem 401 `bad_credentials` or 429 `too_many_attempts`.

        `address` is the client's address. Failed attempts are counted for each pair of username and address.
        """
        source = hashlib.sha256(f"{len(username)}:{username}{address}".encode()).hexdigest()
        wait = await self._database.write(accounts.admit_attempt, source, self._now())
        if wait is not None:
            seconds = str(max(1, ceil(wait.total_seconds())))
            title = "Too many failed attempts to sign in"
            raise Problem(429, "too_many_attempts", title, headers={"Retry-After": seconds})
        account = await self._database.read(accounts.find_account, username)
        loop = asyncio.get_running_loop()
        token = secrets.token_urlsafe(COOKIE_BYTES)
        matches = await loop.run_in_executor(self._threads, self._password_matches, account, password)
        if account is None or not matches or not await self._open(account, token):
            raise Problem(401, "bad_credentials", "Name or password is wrong")
        await self._database.write(accounts.forget_attempts, source)
        return token

    async def _open(self, account: Account, token: str) -> bool:
        now = self._now()
        return await self._database.write(accounts.open_session, account, hash_token(token), now, now + self.lifetime)

    def _password_matches(self, account: Account | None, password: str) -> bool:
        if account is None:
            # An unknown name must take as long as a wrong password. Otherwise the time would reveal which names exist.
            self._dummy_hash = self._dummy_hash or self._hasher.hash(secrets.token_urlsafe())
            self._hasher.verify(password, self._dummy_hash)
            return False
        return self._hasher.verify(password, account.password_hash)

    async def find(self, token: str) -> Caller | None:
        """Return the caller with this session token, or None when the session is not open."""
        return await self._find_by_hash(hash_token(token))

    async def find_open(self, sessions: Collection[str]) -> Collection[str]:
        """Return those of the sessions (`Caller.session`) that are open.

        The session of a bearer token always counts as open, because its stream ends by itself when the token expires.
        """
        hashes = [session for session in sessions if not session.startswith(TOKEN_PREFIX)]
        open_hashes = await self._database.read(accounts.find_open_sessions, hashes, self._now())
        return open_hashes.union(session for session in sessions if session.startswith(TOKEN_PREFIX))

    async def _find_by_hash(self, session: str) -> Caller | None:
        row = await self._database.read_inline(accounts.find_session, session, self._now())
        if row is None:
            return None
        number = str(row.account_id)
        return Caller(
            subject=f"account:{number}",
            created_by=number,
            name=row.name,
            role=row.role,
            doctor_id=row.doctor_id,
            expires_at=row.expires_at,
            session=session,
            by_cookie=True,
        )

    async def sign_out(self, session: str) -> None:
        """End the session."""
        await self._database.write(accounts.close_session, session)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
