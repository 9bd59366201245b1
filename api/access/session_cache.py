"""Open sessions in memory, so that a signed-in person's request needs no statement to find its session.

Another process can end a session. So an entry is used only for some seconds after it was read or verified in the database. The check
of the sessions with an open stream verifies all entries with one query, before these seconds are over.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from patient_visit_engine.storage.accounts import OpenSession

#: How long after its last verification an entry is used. A session that has ended is refused by every process after so long.
VERIFIED_FOR = timedelta(seconds=5)
#: After so long an entry is read from the database again. A verification does not show a changed name or role.
READ_AGAIN_AFTER = timedelta(minutes=1)
#: Entries of one process. When there are more, the one that was not used for the longest time is read from the database again.
MAX_CACHED_SESSIONS = 5_000


@dataclass
class _Entry:
    session: OpenSession
    read_at: datetime
    verified_at: datetime


@dataclass(frozen=True)
class SessionReading:
    """A read of one session that has begun. `removals`: how many sessions this process had ended by then."""

    began_at: datetime
    removals: int


class SessionCache:
    """Sessions by the hash of their cookie. `now` returns the current time, aware."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        #: The entry that was used last is at the end.
        self._entries: dict[str, _Entry] = {}
        self._removals = 0

    def find(self, token_hash: str) -> OpenSession | None:
        """Return the session, or None when it is not cached, was not verified lately, or has expired."""
        entry = self._entries.get(token_hash)
        if entry is None:
            return None
        now = self._now()
        # Not below zero: after a step of the clock back in time, an entry would be used for too long.
        is_verified = timedelta(0) <= now - entry.verified_at < VERIFIED_FOR
        is_fresh = now - entry.read_at < READ_AGAIN_AFTER
        if not is_verified or not is_fresh or entry.session.expires_at <= now:
            return None
        self._entries[token_hash] = self._entries.pop(token_hash)
        return entry.session

    def begin_reading(self) -> SessionReading:
        """Call this before the session is read from the database, and pass the result to `add`."""
        return SessionReading(self._now(), self._removals)

    def add(self, token_hash: str, session: OpenSession, reading: SessionReading) -> None:
        """Add a session that was read. It is not added when a session was removed since, because it may be the same one."""
        if reading.removals != self._removals:
            return
        self._entries.pop(token_hash, None)
        self._entries[token_hash] = _Entry(session, reading.began_at, reading.began_at)
        while len(self._entries) > MAX_CACHED_SESSIONS:
            del self._entries[next(iter(self._entries))]

    def remove(self, token_hash: str) -> None:
        """Remove a session that this process has ended."""
        self._removals += 1
        self._entries.pop(token_hash, None)

    def token_hashes(self) -> Collection[str]:
        """The sessions that must be verified."""
        return list(self._entries)

    def verify(self, token_hashes: Collection[str], open_hashes: Collection[str], began_at: datetime) -> None:
        """Note that these sessions were read at this time, and which of them are open. The others are removed."""
        for token_hash in token_hashes:
            entry = self._entries.get(token_hash)
            if entry is None:
                continue
            if token_hash not in open_hashes:
                del self._entries[token_hash]
            else:
                entry.verified_at = max(entry.verified_at, began_at)
