"""Sessions of people who sign in by password: sign-in, lookup by cookie, and sign-out."""

import hashlib
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from patient_visit_engine.api.access.known_places import KnownPlaces, place_of
from patient_visit_engine.api.access.passwords import PasswordChecker
from patient_visit_engine.api.access.session_cache import SessionCache
from patient_visit_engine.api.access.sign_in_budget import Attempt, SignInBudget
from patient_visit_engine.api.access.sign_in_log import NO_ACCOUNT, WRONG_PASSWORD, SignInLog
from patient_visit_engine.api.access.sign_in_problems import BadCredentials, SignInProblem, WrongPassword
from patient_visit_engine.api.access.sign_in_queue import SignInQueue
from patient_visit_engine.api.addresses import address_group
from patient_visit_engine.storage import account_changes, accounts
from patient_visit_engine.storage.callers import ACCOUNT_PREFIX
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.codes import Role

COOKIE = "visit_session"
#: The prefix of a subject that comes from a bearer token.
TOKEN_PREFIX = "token:"  # noqa: S105 - a prefix
COOKIE_BYTES = 32


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


def _is_of_token(session: str) -> bool:
    return session.startswith(TOKEN_PREFIX)


class Sessions:
    """Opens, finds and ends sessions. `now` returns the current time, aware, with milliseconds. `count` counts the results."""

    def __init__(
        self, database: Database, lifetime: timedelta, now: Callable[[], datetime], count: Callable[[str], None]
    ) -> None:
        self._database = database
        self._now = now
        self.lifetime = lifetime
        self._places = KnownPlaces(database, now)
        self._queue = SignInQueue(SignInBudget(), lambda: now().timestamp())
        self._passwords = PasswordChecker()
        self._log = SignInLog(count, now)
        self._cache = SessionCache(now)

    async def sign_in(self, username: str, password: str, address: str) -> str:
        """Open a session and return its token. `address` is the client's address.

        Raises Problem 401 `bad_credentials`, 429 `too_many_attempts` or 503 `sign_in_busy`.
        """
        login, network = accounts.fold_login(username), address_group(address)
        attempt = Attempt(login, network, await self._places.is_known(login, network))
        try:
            async with self._queue.turn(attempt):
                token = await self._check_and_open(username, password, place_of(network))
        except SignInProblem as problem:
            await self._note_failure(problem, username, address, network)
            raise
        self._places.add(login, network)
        self._log.count("signed_in")
        return token

    def note_ignored_proxy(self, address: str) -> None:
        """A proxy at this address named the client, but no proxy is trusted."""
        self._log.write_ignored_proxy(address)

    async def _check_and_open(self, username: str, password: str, place: str) -> str:
        account = await self._database.read(accounts.find_account, username)
        matches = await self._passwords.matches(None if account is None else account.password_hash, password)
        if account is None:
            raise BadCredentials(NO_ACCOUNT)
        token = secrets.token_urlsafe(COOKIE_BYTES)
        now = self._now()
        times = now, now + self.lifetime
        if not matches or not await self._database.write(
            accounts.open_session, account, hash_token(token), place, *times
        ):
            raise BadCredentials(WRONG_PASSWORD)
        return token

    async def hash_password(self, password: str) -> str:
        """The hash under which a new password is stored. Hashed in a thread."""
        return await self._passwords.hash(password)

    async def change_password(self, caller: Caller, old: str, new: str, address: str) -> bool:
        """Set a new password for the caller's own account, and end its other sessions. `address` is the client's address.

        Returns False when the caller's session has just ended.
        Raises Problem 403 `wrong_password`, 429 `too_many_attempts` or 503 `sign_in_busy`.
        """
        account = await self._database.read(accounts.find_account_of_session, caller.session)
        if account is None:
            return False
        login, network = accounts.fold_login(account.username), address_group(address)
        attempt = Attempt(login, network, await self._places.is_known(login, network))
        try:
            async with self._queue.turn(attempt):
                if not await self._passwords.matches(account.password_hash, old):
                    raise WrongPassword(WRONG_PASSWORD)
            new_hash = await self._passwords.hash(new)
            if not await self._database.write(account_changes.change_own_password, account, new_hash, caller.session):
                raise WrongPassword(WRONG_PASSWORD)
        except SignInProblem as problem:
            await self._note_failure(problem, account.username, address, network)
            raise
        return True

    async def _note_failure(self, problem: SignInProblem, username: str, address: str, network: str) -> None:
        self._log.count(problem.code)
        if self._log.admits_line(network):
            # Read for every failure with a line, so that the time does not reveal which names exist.
            account = await self._database.read(accounts.find_account_number, username)
            self._log.write(problem, address, account)

    async def find(self, token: str) -> Caller | None:
        """Return the caller with this session token, or None when the session is not open."""
        return await self._find_by_hash(hash_token(token))

    async def find_open(self, sessions: Collection[str]) -> Collection[str]:
        """Return those of the sessions (`Caller.session`) that are open. Verifies the cached sessions in the same query.

        The session of a bearer token always counts as open, because its stream ends by itself when the token expires.
        """
        hashes = {session for session in sessions if not _is_of_token(session)}
        return (await self._find_open_hashes(hashes)).union(filter(_is_of_token, sessions))

    async def _find_open_hashes(self, hashes: set[str]) -> set[str]:
        cached_hashes, began_at = self._cache.token_hashes(), self._now()
        all_hashes = hashes.union(cached_hashes)
        if not all_hashes:
            return set()
        open_hashes = await self._database.read(accounts.find_open_sessions, all_hashes, began_at)
        self._cache.verify(cached_hashes, open_hashes, began_at)
        return open_hashes & hashes

    async def _find_session(self, token_hash: str) -> accounts.OpenSession | None:
        session = self._cache.find(token_hash)
        if session is None:
            reading = self._cache.begin_reading()
            session = await self._database.read_inline(accounts.find_session, token_hash, reading.began_at)
            if session is not None:
                self._cache.add(token_hash, session, reading)
        return session

    async def _find_by_hash(self, session: str) -> Caller | None:
        row = await self._find_session(session)
        if row is None:
            return None
        if row.role is Role.wall:
            row = await self._renew(session, row)
        number = str(row.account_id)
        return Caller(
            subject=f"{ACCOUNT_PREFIX}{number}",
            created_by=number,
            name=row.name,
            role=row.role,
            doctor_id=row.doctor_id,
            expires_at=row.expires_at,
            session=session,
            by_cookie=True,
        )

    async def _renew(self, token_hash: str, session: accounts.OpenSession) -> accounts.OpenSession:
        """A screen in the waiting room stays signed in for as long as it is used. Half of the time is left for a screen that is away."""
        now = self._now()
        if session.expires_at - now > self.lifetime / 2:
            return session
        expires_at = now + self.lifetime
        await self._database.write(accounts.renew_session, token_hash, expires_at)
        self._cache.remove(token_hash)
        return replace(session, expires_at=expires_at)

    async def sign_out(self, session: str) -> None:
        """End the session. This process refuses it at once, the others within seconds."""
        try:
            await self._database.write(accounts.close_session, session)
        finally:
            # Also after an error: the session may be closed without an answer.
            self._cache.remove(session)

    def close(self) -> None:
        self._passwords.close()
