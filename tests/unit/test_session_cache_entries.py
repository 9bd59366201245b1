"""Entries of the session cache: clocks, and checks that end late."""

from datetime import timedelta

from patient_visit_engine.api.access.session_cache import READ_AGAIN_AFTER, SessionCache
from patient_visit_engine.storage.accounts import OpenSession
from patient_visit_engine.visit.codes import Role
from tests.support.api import Clock
from tests.support.builders import DR_AMRANI, NOON

SESSION = OpenSession(1, "Dr. Amrani", Role.doctor, DR_AMRANI.id, NOON + timedelta(hours=1))
CHECK_EVERY = timedelta(seconds=2)


def test_entry_is_not_used_after_clock_went_back() -> None:
    clock = Clock()
    cache = SessionCache(clock)
    cache.add("hash", SESSION, cache.begin_reading())
    before = cache.find("hash")

    clock.advance(hours=-1)

    assert (before, cache.find("hash")) == (SESSION, None)


def test_late_answer_of_check_does_not_add_session() -> None:
    clock = Clock()
    cache = SessionCache(clock)
    cache.add("hash", SESSION, cache.begin_reading())
    hashes = cache.token_hashes()
    cache.remove("hash")

    cache.verify(hashes, {"hash"}, clock())

    assert cache.find("hash") is None


def test_verified_entry_is_read_again_after_a_minute() -> None:
    clock = Clock()
    cache = SessionCache(clock)
    cache.add("hash", SESSION, cache.begin_reading())
    uses = []

    for _ in range(READ_AGAIN_AFTER // CHECK_EVERY):
        uses.append(cache.find("hash"))
        clock.advance(seconds=CHECK_EVERY.total_seconds())
        cache.verify(["hash"], {"hash"}, clock())

    assert set(uses) == {SESSION}
    assert cache.find("hash") is None
