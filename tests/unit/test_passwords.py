"""The check of a password costs the same for a known and for an unknown name."""

from collections import Counter

import pytest

from patient_visit_engine.api.access import passwords
from patient_visit_engine.api.access.passwords import PasswordChecker
from tests.support.passwords import WEAK_HASH


class CountingHasher:
    """Counts the hashes that it makes and checks."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def hash(self, password: str) -> str:
        self.calls["hash"] += 1
        return WEAK_HASH.hash(password)

    def verify(self, password: str, password_hash: str) -> bool:
        self.calls["verify"] += 1
        return WEAK_HASH.verify(password, password_hash)


@pytest.mark.parametrize("stored", [None, WEAK_HASH.hash("another")], ids=["unknown name", "wrong password"])
async def test_unknown_name_costs_as_many_hashes(stored: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = CountingHasher()
    monkeypatch.setattr(passwords, "HASHER", hasher)
    checker = PasswordChecker()

    costs = []
    for _ in range(3):
        hasher.calls.clear()
        assert not await checker.matches(stored, "guess")
        costs.append(dict(hasher.calls))
    checker.close()

    assert costs == [{"hash": 1, "verify": 1}, {"verify": 1}, {"verify": 1}]


async def test_accepts_right_password_only() -> None:
    checker = PasswordChecker()
    stored = WEAK_HASH.hash("right")

    answers = [await checker.matches(stored, "right"), await checker.matches(stored, "wrong")]
    checker.close()

    assert answers == [True, False]
