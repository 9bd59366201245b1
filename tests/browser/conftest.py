"""Chromium, and one clinic for each test, with tabs of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support.proxy import CLIENT
from tests.support.stream_site import BrowserTabs, StreamSite


@pytest.fixture(scope="session")
async def premises(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, chromium: Browser
) -> AsyncIterator[StreamSite]:
    """The database and the API of all these tests."""
    if not (CLIENT / "index.js").exists():
        pytest.skip("the browser's client is not built: make lint builds it")
    folder = tmp_path_factory.mktemp("clinic")
    await asyncio.to_thread(shutil.copyfile, migrated_file, folder / "visits.db")
    opened = StreamSite(folder, folder / "visits.db")
    try:
        await opened.open()
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def clinic(premises: StreamSite, chromium: Browser) -> AsyncIterator[BrowserTabs]:
    """A doctor of the test's own, signed in."""
    opened = BrowserTabs(premises, await chromium.new_context())
    try:
        await opened.open()
        yield opened
    finally:
        await opened.close()
