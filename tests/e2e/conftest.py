"""The hospitals of these tests: one that stays healthy, and one whose parts are killed."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from tests.e2e.hospital import Hospital

_numbers = count(1)


@pytest.fixture(scope="session")
async def hospital(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hospital]:
    """A hospital that every test may use with patients of its own."""
    opened = Hospital(tmp_path_factory.mktemp("hospital"), decision_timeout="30")
    await opened.open()

    yield opened

    await opened.close()


@pytest.fixture
async def fragile(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hospital]:
    """A hospital of the test's own, to break: it gives up on a decision soon, and looks often for what was left behind."""
    opened = Hospital(tmp_path_factory.mktemp("fragile"), decision_timeout="3", sweep_every="1")
    await opened.open()

    yield opened

    await opened.close()


@pytest.fixture
def patient() -> int:
    """A patient whom no other test knows."""
    return next(_numbers)
