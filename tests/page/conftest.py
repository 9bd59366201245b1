"""The ward of these tests, and one shift for each."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from api.page import built
from tests.e2e.hospital import Hospital
from tests.page.ward import Shift, Ward


@pytest.fixture(scope="session")
async def ward(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> AsyncIterator[Ward]:
    """The whole system, started once."""
    if built() is None:
        pytest.skip("the page is not built: installing the project builds it")
    opened = Ward(Hospital(tmp_path_factory.mktemp("ward"), decision_timeout="30"), chromium)
    try:
        await opened.open()
        yield opened
    finally:
        await opened.hospital.close()


@pytest.fixture
async def shift(ward: Ward) -> AsyncIterator[Shift]:
    """One test's staff; at its end no browser may have had anything to complain of."""
    begun = Shift(ward)
    try:
        yield begun
    finally:
        await begun.close()
    assert begun.complaints == []
