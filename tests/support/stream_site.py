"""A database and an API process, with real browser tabs that follow the stream through a proxy."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page
from sqlalchemy import insert

from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import doctors
from patient_visit_engine.visit.codes import Role
from tests.support.brisk_api import HEARTBEAT
from tests.support.engine import wait_until_ready
from tests.support.passwords import WEAK_HASH
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess
from tests.support.proxy import Proxy
from tests.support.stream_server import an_event, append_events
from tests.support.waiting import wait_until_async

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 20.0
PASSWORD = "a password for tests alone"
LIMITS = {"heartbeat": HEARTBEAT, "patience": 2, "backoffFirst": 0.2, "backoffMost": 1, "askAgain": 1}


class StreamSite:
    """The database and the API process that all tests share, because the start takes seconds. A test may kill the process."""

    def __init__(self, folder: Path, database_file: Path) -> None:
        self.database = Database(f"sqlite+aiosqlite:///{database_file}")
        self.port = free_port()
        environment = {
            "VISIT_DATABASE_URL": f"sqlite+aiosqlite:///{database_file}",
            "VISIT_HTTP_PORT": str(self.port),
            "VISIT_DATA_DIR": str(folder),
            "VISIT_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
            "VISIT_JWT_SECRET": "a secret of more than thirty-two bytes, for tests alone",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dev'}",
        }
        self.api = SpawnedProcess("api", [sys.executable, "-m", "tests.support.brisk_api"], environment, folder)
        #: The number of events committed so far, in all tests.
        self.event_count = 0
        self.account_count = 0
        self.password_hash = WEAK_HASH.hash(PASSWORD)

    async def open(self) -> None:
        await self.database.write(
            lambda connection: connection.execute(insert(doctors).values(id=7, name="Dr. Amrani"))
        )
        await self.start_api()

    async def start_api(self) -> None:
        self.api.start()
        await wait_until_ready(f"http://127.0.0.1:{self.port}", "/livez")

    async def close(self) -> None:
        await asyncio.to_thread(self.api.stop)
        await self.database.close()


class BrowserTabs:
    """One test's own account, proxy and browser profile. Every tab is signed in as Dr. Amrani."""

    def __init__(self, stream_site: StreamSite, context: BrowserContext) -> None:
        self.stream_site = stream_site
        self.database = stream_site.database
        self.api = stream_site.api
        self.context = context
        self.proxy = Proxy(stream_site.port)
        stream_site.account_count += 1
        self.username = f"amrani-{stream_site.account_count}"
        self._before = stream_site.event_count

    async def open(self) -> None:
        await self.proxy.start()
        if not self.api.running:
            await self.start_api()
        await self.database.write(
            accounts.add_account, self.username, self.stream_site.password_hash, "Dr. Amrani", Role.doctor, 7
        )
        await self.sign_in()

    async def start_api(self) -> None:
        await self.stream_site.start_api()

    async def close(self) -> None:
        await self.context.close()
        await self.proxy.stop()

    async def sign_in(self) -> None:
        answer = await self.context.request.post(
            f"{self.proxy.url}/api/session", data={"username": self.username, "password": PASSWORD}
        )
        assert answer.status == 204

    async def commit_events(self, count: int = 1) -> list[int]:
        """Commit events. Return the numbers of all events that this test has committed."""
        numbers = range(self.stream_site.event_count + 1, self.stream_site.event_count + count + 1)
        self.stream_site.event_count += count
        channel = ("consultations", "doctor.7")
        await append_events(
            self.database, *(an_event(number, channel[number % 2], **ABOUT_JOHN_DOE) for number in numbers)
        )
        return list(range(self._before + 1, self.stream_site.event_count + 1))

    async def tab(self, **options: Any) -> Page:
        """Open a tab that follows the stream. It may not be live yet."""
        page = await self.context.new_page()
        await page.goto(self.proxy.url)
        await page.wait_for_function("globalThis.loaded")
        arguments = {"account": "7", "limits": LIMITS} | options
        await page.evaluate("options => follow(options)", arguments)
        return page

    async def live_tab(self, **options: Any) -> Page:
        """Open a tab and wait until it is live."""
        page = await self.tab(**options)
        await expect_state(page, "live")
        return page


ABOUT_JOHN_DOE = {"patient_id": 1, "patient_name": "John Doe", "message": "", "timestamp": ""}


async def received_numbers(page: Page) -> list[int]:
    numbers: list[int] = await page.evaluate("received")
    return numbers


async def expect_numbers(page: Page, numbers: list[int]) -> None:
    """Wait for as many events and compare: each exactly once, in order."""
    expression = f"received.length >= {len(numbers)}"
    await wait_until_async(
        lambda: page.evaluate(expression), f"{len(numbers)} events, {await received_numbers(page)} came"
    )
    assert await received_numbers(page) == numbers


async def expect_state(page: Page, state: str) -> None:
    await wait_until_async(lambda: page.evaluate(f"stream.state.name === {state!r}"), f"the state {state}")


async def count_resets(page: Page) -> int:
    count: int = await page.evaluate("resets.length")
    return count


async def is_leader(page: Page) -> bool:
    leading: bool = await page.evaluate("stream.tab.leadership.leading")
    return leading
