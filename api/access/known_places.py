"""The places where accounts have signed in before: addresses, stored as hashes, and read with few queries."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from patient_visit_engine.storage import sign_in_places
from patient_visit_engine.storage.accounts import fold_login
from patient_visit_engine.storage.database import Database

#: An address stays known for an account for so long after its last sign-in there. Longer than holidays.
KNOWN_FOR = timedelta(days=30)
#: How long one read of the accounts of an address is used. Without this, each attempt of a flood would be a query.
CACHE_LIFETIME = timedelta(seconds=30)
#: Addresses in this cache. An address that is dropped is only read again.
MAX_CACHED_ADDRESSES = 2_000


def place_of(network: str) -> str:
    """The hash under which an address is stored."""
    return hashlib.sha256(f"place:{network}".encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class _Cached:
    expires_at: datetime
    logins: "asyncio.Task[set[str]]"


class KnownPlaces:
    """Answers where an account is known. `now` returns the current time, aware."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._cache: dict[str, _Cached] = {}

    async def is_known(self, login: str, network: str) -> bool:
        """Whether the account with this login has signed in at this address in the last 30 days."""
        now = self._now()
        cached = self._cache.get(network)
        if cached is None or cached.expires_at <= now or _has_failed(cached.logins):
            read = asyncio.create_task(self._read(network, now - KNOWN_FOR))
            self._cache.pop(network, None)
            cached = self._cache[network] = _Cached(now + CACHE_LIFETIME, read)
            while len(self._cache) > MAX_CACHED_ADDRESSES:
                del self._cache[next(iter(self._cache))]
        # Shielded, because others wait for the same read.
        return login in await asyncio.shield(cached.logins)

    async def _read(self, network: str, since: datetime) -> set[str]:
        logins = await self._database.read(sign_in_places.find_known_logins, place_of(network), since)
        return set(map(fold_login, logins))

    def add(self, login: str, network: str) -> None:
        """The account has just signed in at this address."""
        cached = self._cache.get(network)
        if cached is not None and cached.logins.done() and not _has_failed(cached.logins):
            cached.logins.result().add(login)


def _has_failed(read: "asyncio.Task[set[str]]") -> bool:
    return read.done() and (read.cancelled() or read.exception() is not None)
