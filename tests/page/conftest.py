"""The ward of these tests, and one shift for each."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from patient_visit_engine.api.page import built
from tests.support.engine import Engine
from tests.support.page_site import PageSite, StaffPages


@pytest.fixture(scope="session")
async def ward(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> AsyncIterator[PageSite]:
    """The whole system, started once."""
    if built() is None:
        pytest.skip("the page is not built: installing the project builds it")
    opened = PageSite(Engine(tmp_path_factory.mktemp("ward"), decision_timeout="30"), chromium)
    try:
        await opened.open()
        yield opened
    finally:
        await opened.hospital.close()


@pytest.fixture
async def shift(ward: PageSite) -> AsyncIterator[StaffPages]:
    """One test's staff; at its end no browser may have had anything to complain of."""
    begun = StaffPages(ward)
    try:
        yield begun
    finally:
        await begun.close()
    assert begun.complaints == []
