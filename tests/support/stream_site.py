"""A clinic whose screens are real browser tabs: database, API process and proxy; it must not know what a test proves."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import BrowserContext, Page
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import insert

from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import doctors
from patient_visit_engine.visit.codes import Role
from tests.support.brisk_api import HEARTBEAT
from tests.support.processes import SpawnedProcess, free_port
from tests.support.proxy import Proxy
from tests.support.stream_server import an_event, tell

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 20.0
PASSWORD = "a password for tests alone"
LIMITS = {"heartbeat": HEARTBEAT, "patience": 2, "backoffFirst": 0.2, "backoffMost": 1, "askAgain": 1}


async def until(holds: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait for a condition; a test that waits in vain says for what."""
    end = time.monotonic() + PATIENCE
    while not await holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        await asyncio.sleep(0.03)


class StreamSite:
    """What the tests share, since it takes seconds to start: a database and the API's process, which a test may kill."""

    def __init__(self, folder: Path, database_file: Path) -> None:
        self.database = Database(f"sqlite+aiosqlite:///{database_file}")
        self.port = free_port()
        environment = {
            "VISIT_DATABASE_URL": f"sqlite+aiosqlite:///{database_file}",
            "VISIT_HTTP_PORT": str(self.port),
            "VISIT_DATA_DIR": str(folder),
            "VISIT_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
            "VISIT_JWT_SECRET": "a secret of more than thirty-two bytes, for tests alone",
            "PYTHONPATH": str(ROOT),
        }
        self.api = SpawnedProcess("api", [sys.executable, "-m", "tests.support.brisk_api"], environment, folder)
        #: Events that were told so far, in all tests.
        self.told = 0
        self.accounts = 0
        self.hashed = PasswordHash((Argon2Hasher(),)).hash(PASSWORD)

    async def open(self) -> None:
        await self.database.write(lambda at: at.execute(insert(doctors).values(id=7, name="Dr. Amrani")))
        await self.start_api()

    async def start_api(self) -> None:
        self.api.start()

        async def answers() -> bool:
            async with httpx.AsyncClient() as client:
                try:
                    return (await client.get(f"http://127.0.0.1:{self.port}/livez")).status_code == 200
                except httpx.TransportError:
                    return False

        await until(answers, "the API")

    async def close(self) -> None:
        await asyncio.to_thread(self.api.stop)
        await self.database.close()


class BrowserTabs:
    """A test's own account of Dr. Amrani, proxy and browser profile; signed in in every tab."""

    def __init__(self, premises: StreamSite, context: BrowserContext) -> None:
        self.premises = premises
        self.database = premises.database
        self.api = premises.api
        self.context = context
        self.proxy = Proxy(premises.port)
        premises.accounts += 1
        self.username = f"amrani-{premises.accounts}"
        self._before = premises.told

    async def open(self) -> None:
        await self.proxy.start()
        if not self.api.running:
            await self.start_api()
        await self.database.write(
            accounts.add_account, self.username, self.premises.hashed, "Dr. Amrani", Role.doctor, 7
        )
        await self.sign_in()

    async def start_api(self) -> None:
        await self.premises.start_api()

    async def close(self) -> None:
        await self.context.close()
        await self.proxy.stop()

    async def sign_in(self) -> None:
        answer = await self.context.request.post(
            f"{self.proxy.url}/api/session", data={"username": self.username, "password": PASSWORD}
        )
        assert answer.status == 204

    async def tell(self, count: int = 1) -> list[int]:
        """Commit events; the numbers of all that this test has told."""
        numbers = range(self.premises.told + 1, self.premises.told + count + 1)
        self.premises.told += count
        channel = ("consultations", "doctor.7")
        await tell(self.database, *(an_event(number, channel[number % 2], **ABOUT_JOHN_DOE) for number in numbers))
        return list(range(self._before + 1, self.premises.told + 1))

    async def tab(self, **options: Any) -> Page:
        """A tab that follows the stream; it need not be live yet."""
        page = await self.context.new_page()
        await page.goto(self.proxy.url)
        await page.wait_for_function("globalThis.loaded")
        given = {"account": "7", "limits": LIMITS} | options
        await page.evaluate("options => follow(options)", given)
        return page

    async def live_tab(self, **options: Any) -> Page:
        page = await self.tab(**options)
        await shows(page, "live")
        return page


ABOUT_JOHN_DOE = {"patient_id": 1, "patient_name": "John Doe", "message": "", "timestamp": ""}


async def heard(page: Page) -> list[int]:
    numbers: list[int] = await page.evaluate("heard")
    return numbers


async def hears(page: Page, numbers: list[int]) -> None:
    """Wait for as many events, and compare: nothing missing, nothing twice, in order."""
    expression = f"heard.length >= {len(numbers)}"
    await until(lambda: page.evaluate(expression), f"{len(numbers)} events, {await heard(page)} came")
    assert await heard(page) == numbers


async def shows(page: Page, state: str) -> None:
    await until(lambda: page.evaluate(f"stream.state.name === {state!r}"), f"the state {state}")


async def resets(page: Page) -> int:
    count: int = await page.evaluate("resets.length")
    return count


async def leads(page: Page) -> bool:
    found: bool = await page.evaluate("stream.tab.leadership.leading")
    return found
