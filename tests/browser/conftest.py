"""One served page for all tests, and a signed-in browser profile for each test."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support.proxy import CLIENT
from tests.support.stream_site import BrowserTabs, StreamSite


@pytest.fixture(scope="package")
async def stream_site(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, chromium: Browser
) -> AsyncIterator[StreamSite]:
    """The database and the API process that all tests share."""
    if not (CLIENT / "index.js").exists():
        pytest.skip("the browser client is not built: run `make lint` to build it")
    folder = tmp_path_factory.mktemp("stream-site")
    await asyncio.to_thread(shutil.copyfile, migrated_file, folder / "visits.db")
    stream_site = StreamSite(folder, folder / "visits.db")
    try:
        await stream_site.open()
        yield stream_site
    finally:
        await stream_site.close()


@pytest.fixture
async def tabs(stream_site: StreamSite, chromium: Browser) -> AsyncIterator[BrowserTabs]:
    """Tabs of one doctor, who is signed in. Each test has its own account."""
    browser_tabs = BrowserTabs(stream_site, await chromium.new_context())
    try:
        await browser_tabs.open()
        yield browser_tabs
    finally:
        await browser_tabs.close()
