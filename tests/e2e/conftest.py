"""The hospitals of these tests: one that stays healthy, and one whose parts are killed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.support.engine import Engine

Opening = Callable[..., Awaitable[Engine]]

_numbers = count(1)


async def _address(request: pytest.FixtureRequest) -> str:
    """An empty database of the kind that the fixture's parameter names; the file in the hospital's folder has none."""
    if request.param == "sqlite":
        return ""
    address: str = await asyncio.to_thread(request.getfixturevalue("new_postgres"), "template1")
    return address


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
async def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """A hospital that every test may use with patients of its own."""
    folder = tmp_path_factory.mktemp("hospital")
    opened = Engine(folder, database_url=await _address(request), decision_timeout="30")
    await opened.open()

    yield opened

    await opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    """Opens a hospital of the test's own, with these settings, for it to break."""
    async with AsyncExitStack() as stack:

        async def opened(**settings: str) -> Engine:
            own = Engine(tmp_path, database_url=await _address(request), **settings)
            stack.push_async_callback(own.close)
            await own.open()
            return own

        yield opened


@pytest.fixture
async def fragile(opening: Opening) -> Engine:
    """It gives up on a decision soon, and looks often for what was left behind."""
    return await opening(decision_timeout="3", sweep_every="1")


@pytest.fixture
def patient() -> int:
    """A patient whom no other test knows."""
    return next(_numbers)
