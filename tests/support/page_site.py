"""A ward whose staff sit at real browsers in front of the whole system; it must not know what a test proves."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Connection, insert, update

from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.tables import doctors, patient_trackings
from patient_visit_engine.visit.codes import Role
from tests.support.engine import CARDIOLOGY, Engine
from tests.support.proxy import Proxy

PATIENCE = 20.0
PASSWORD = "a password for tests alone"
expect.set_options(timeout=PATIENCE * 1000)
#: More doctors than the hospital has: each test takes its own, so that no list shows another test's patients.
DOCTORS = range(101, 301)


class PageSite:
    """The running system with an account for every doctor and every other role."""

    def __init__(self, hospital: Engine, browser: Browser) -> None:
        self.hospital = hospital
        self.browser = browser
        self.doctors = iter(DOCTORS)
        self.patients = count(1001)
        self.appointments = count(50_001)

    async def open(self) -> None:
        hashed = PasswordHash((Argon2Hasher(),)).hash(PASSWORD)

        def write(connection: Connection) -> None:
            connection.execute(insert(doctors), [{"id": n, "name": f"Dr. {n}"} for n in DOCTORS])
            for number in DOCTORS:
                accounts.add_account(connection, f"doctor-{number}", hashed, f"Dr. {number}", Role.doctor, number)
            for role in (Role.reception, Role.supervisor):
                accounts.add_account(connection, role.value, hashed, role.value.capitalize(), role, None)

        await self.hospital.open()
        await self.hospital.database.write(write)

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self.hospital.rows(query, **values)


class StaffPages:
    """One test's doctors, patients and screens."""

    def __init__(self, ward: PageSite) -> None:
        self.ward = ward
        self.hospital = ward.hospital
        #: What no browser of this test may have said or asked for.
        self.complaints: list[str] = []
        self.now = datetime.now(UTC)
        self._contexts: list[BrowserContext] = []
        self._proxies: list[Proxy] = []

    def doctor(self) -> int:
        return next(self.ward.doctors)

    async def patient(self, *of: int, prestation: int = CARDIOLOGY) -> tuple[int, list[int]]:
        """A patient of the test's own with an appointment today at each of these doctors: the ids."""
        number = next(self.ward.patients)
        booked = {next(self.ward.appointments): doctor for doctor in of}
        await self.hospital.admit(number, booked, prestation)
        return number, list(booked)

    async def long_ago(self, appointment: int, **minutes: int) -> None:
        """Have it that these moments of an appointment's tracking were so many minutes ago: nobody waits for them in a test."""
        at = {name: datetime.now(UTC) - timedelta(minutes=ago) for name, ago in minutes.items()}
        of = patient_trackings.c.appointment_id == appointment
        await self.hospital.database.write(lambda to: to.execute(update(patient_trackings).where(of).values(**at)))

    async def proxy(self) -> Proxy:
        proxy = Proxy(self.hospital.settings.http_port, own_page=False)
        await proxy.start()
        self._proxies.append(proxy)
        return proxy

    async def browser(self, who: int | str | None, base: str | None = None, **context: Any) -> BrowserContext:
        """A browser of its own, signed in unless `who` is None; a number is a doctor."""
        opened = await self.ward.browser.new_context(
            base_url=base or self.hospital.url,
            **({"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | context),
        )
        self._contexts.append(opened)
        opened.on("console", lambda message: self._hear(message.type, message.text))
        opened.on("weberror", lambda error: self._hear("error", str(error.error)))
        opened.on("request", lambda request: self._watch(request.url, base or self.hospital.url))
        opened.set_default_timeout(PATIENCE * 1000)
        if who is not None:
            username = f"doctor-{who}" if isinstance(who, int) else who
            answer = await opened.request.post("/api/session", data={"username": username, "password": PASSWORD})
            assert answer.status == 204
        return opened

    async def screen(self, who: int | str, path: str = "/", base: str | None = None, **context: Any) -> Page:
        """A page that is signed in and live, and shows what it has read."""
        page = await (await self.browser(who, base, **context)).new_page()
        await page.goto(path)
        await is_live(page)
        await page.locator("h1").wait_for()
        await expect(page.locator(".skeleton")).to_have_count(0)
        return page

    def _hear(self, kind: str, text: str) -> None:
        # A browser says so of every answer that is no success, and of every connection that a test cuts.
        expected = ("Failed to load resource", "net::ERR", "EventSource's response has a MIME type")
        if kind == "error" and not any(words in text for words in expected):
            self.complaints.append(text)

    def _watch(self, url: str, base: str) -> None:
        if not url.startswith(base):
            self.complaints.append(f"asked elsewhere: {url}")

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()
        for proxy in self._proxies:
            await proxy.stop()


def row(page: Page, appointment: int) -> Locator:
    return page.locator(f"[data-appointment='{appointment}']")


def press(page: Page, appointment: int, what: str) -> Locator:
    """The button of a row by its words."""
    return row(page, appointment).get_by_text(what, exact=True)


def card(page: Page, patient: int) -> Locator:
    return page.locator(f"[data-patient='{patient}']")


def notices(page: Page) -> Locator:
    return page.locator("[data-sonner-toast]")


async def is_live(page: Page) -> None:
    await page.locator(".light[data-state=live]").wait_for()


async def is_offline(page: Page) -> None:
    await page.locator(".light[data-state=offline]").wait_for()
