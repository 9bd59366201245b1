"""Fixtures of the page's tests: one running system for all, and the staff's pages for each test."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from patient_visit_engine.api.page import find_built_page
from tests.support.engine import Engine
from tests.support.page_site import PageSite, StaffPages
from tests.support.scene import Scene, prepare_scene


@pytest.fixture(scope="package")
async def page_site(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> AsyncIterator[PageSite]:
    """The whole system with its page, started once."""
    if find_built_page() is None:
        pytest.skip("the page is not built: installing the project builds it")
    page_site = PageSite(Engine(tmp_path_factory.mktemp("page-site"), decision_timeout="30"), chromium)
    try:
        await page_site.open()
        yield page_site
    finally:
        await page_site.engine.close()


@pytest.fixture
async def staff(page_site: PageSite) -> AsyncIterator[StaffPages]:
    """The doctors, patients and pages of one test. The test fails when a browser reported an error."""
    pages = StaffPages(page_site)
    try:
        yield pages
    finally:
        await pages.close()
    assert pages.browser_errors == []


@pytest.fixture
async def scene(staff: StaffPages) -> Scene:
    """A busy day with every kind of row and card."""
    return await prepare_scene(staff)
