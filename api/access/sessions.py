"""Who is signed in by a password, under which cookie and for how long; it must not know routes or what a role may do."""

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
#: How the subject of a bearer token begins.
TOKEN = "token:"  # noqa: S105 - a prefix
COOKIE_BYTES = 32
#: How many passwords are hashed at once: each takes tens of milliseconds of a core and as many mebibytes.
HASHING_THREADS = 2


@dataclass(frozen=True)
class Caller:
    """Whoever asks. `subject` tells callers apart, `created_by` is how trackings name them, both for good.

    `session` is what a stream is ended by: the stored hash of the cookie, or for a bearer token the subject. After
    `expires_at` (aware) nothing holds.
    """

    subject: str
    created_by: str
    name: str
    role: Role
    doctor_id: int | None
    expires_at: datetime
    session: str
    by_cookie: bool


def hash_of(token: str) -> str:
    """What of a session's token is stored."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


class Sessions:
    """Opens, finds and ends sessions; `now` gives the moment, aware, to the millisecond."""

    def __init__(self, database: Database, lifetime: timedelta, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.lifetime = lifetime
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._threads = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="hashing")
        self._nobodys: str | None = None

    async def sign_in(self, username: str, password: str, address: str) -> str:
        """The token of a new session. Raises Problem 401 `bad_credentials` or 429 `too_many_attempts`."""
        who = hashlib.sha256(f"{len(username)}:{username}{address}".encode()).hexdigest()
        wait = await self._database.write(accounts.admit_attempt, who, self._now())
        if wait is not None:
            seconds = str(max(1, ceil(wait.total_seconds())))
            title = "Too many failed attempts to sign in"
            raise Problem(429, "too_many_attempts", title, headers={"Retry-After": seconds})
        account = await self._database.read(accounts.account_named, username)
        loop = asyncio.get_running_loop()
        token = secrets.token_urlsafe(COOKIE_BYTES)
        fits = await loop.run_in_executor(self._threads, self._fits, account, password)
        if account is None or not fits or not await self._open(account, token):
            raise Problem(401, "bad_credentials", "Name or password is wrong")
        await self._database.write(accounts.forget_attempts, who)
        return token

    async def _open(self, account: Account, token: str) -> bool:
        now = self._now()
        return await self._database.write(accounts.open_session, account, hash_of(token), now, now + self.lifetime)

    def _fits(self, account: Account | None, password: str) -> bool:
        if account is None:
            # An unknown name must take as long as a wrong password, or names could be told from the time.
            self._nobodys = self._nobodys or self._hasher.hash(secrets.token_urlsafe())
            self._hasher.verify(password, self._nobodys)
            return False
        return self._hasher.verify(password, account.password_hash)

    async def find(self, token: str) -> Caller | None:
        """Whose session this token opens now."""
        return await self._by_hash(hash_of(token))

    async def still_open(self, asked: Collection[str]) -> Collection[str]:
        """Those of the `session`s asked for that hold now; a token's holds until it expires, which its stream knows."""
        hashes = [one for one in asked if not one.startswith(TOKEN)]
        holding = await self._database.read(accounts.open_sessions, hashes, self._now())
        return holding.union(one for one in asked if one.startswith(TOKEN))

    async def _by_hash(self, session: str) -> Caller | None:
        found = await self._database.glance(accounts.find_session, session, self._now())
        if found is None:
            return None
        number = str(found.account_id)
        return Caller(
            subject=f"account:{number}",
            created_by=number,
            name=found.name,
            role=found.role,
            doctor_id=found.doctor_id,
            expires_at=found.expires_at,
            session=session,
            by_cookie=True,
        )

    async def sign_out(self, session: str) -> None:
        """End the session for good."""
        await self._database.write(accounts.close_session, session)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
