"""Takes the pictures of the README: the demonstration hospital in the middle of a morning.

Run as `python -m tests.page.screenshots`. The running system performs everything. Only the times are overwritten afterwards, so that
a consultation can be 33 minutes old without waiting.
"""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize
from sqlalchemy import Connection, select, update

from patient_visit_engine.cli.demo import loading
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.tables import appointments, patient_trackings, timeline, waiting_line
from tests.support.chromium import launch_chromium
from tests.support.engine import Engine
from tests.support.page_site import wait_until_live

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
SIZE = ViewportSize(width=1180, height=720)
SIGN_IN_SIZE = ViewportSize(width=720, height=520)
JOHN, MARIA, AMINA, PETER, LUCIA, KWAME = range(1, 7)
SMITH, AMRANI, ROSSI, LINDQVIST, OKAFOR = range(1, 6)
#: The ages in minutes of the entries in John's timeline, oldest first.
JOHNS_TIMELINE = (71, 52, 47, 46, 40, 31, 17, 17, 14, 14)


class DemoStaff:
    """The staff of the demonstration hospital: sends their requests and takes their screenshots."""

    def __init__(self, engine: Engine, browser: Browser, passwords: dict[str, str]) -> None:
        self._engine = engine
        self._browser = browser
        self._passwords = passwords
        self._signed_in: dict[str, BrowserContext] = {}

    async def sign_in(self, username: str, **options: Any) -> BrowserContext:
        """A new browser context with this user's session."""
        context = await self._browser.new_context(
            base_url=self._engine.url, viewport=SIZE, locale="en-GB", reduced_motion="reduce", **options
        )
        credentials = {"username": username, "password": self._passwords[username]}
        response = await context.request.post("/api/session", data=credentials)
        assert response.status == 204, response.status
        return context

    async def post(self, username: str, path: str, body: object = None) -> dict[str, Any]:
        if username not in self._signed_in:
            self._signed_in[username] = await self.sign_in(username)
        response = await self._signed_in[username].request.post(path, data=body or {})
        content: dict[str, Any] = await response.json()
        return content

    async def find_appointment(self, patient: int, doctor: int) -> int:
        def read(connection: Connection) -> int:
            conditions = (appointments.c.patient_id == patient, appointments.c.doctor_id == doctor)
            appointment: int = connection.execute(select(appointments.c.id).where(*conditions)).scalar_one()
            return appointment

        return await self._engine.database.read(read)

    async def start(self, username: str, doctor: int, patient: int, **options: object) -> dict[str, Any]:
        appointment = await self.find_appointment(patient, doctor)
        body = {"appointment_id": appointment, "patient_id": patient, "doctor_id": doctor, **options}
        return await self.post(username, "/api/consultations", body)

    async def check_in(self, patient: int, doctor: int) -> None:
        appointment = await self.find_appointment(patient, doctor)
        await self.post("reception", f"/api/appointments/{appointment}/check-in")

    async def take_screenshot(self, name: str, username: str, path: str, **options: Any) -> Page:
        """Save `{name}.png` and return the open page."""
        page = await (await self.sign_in(username, **options)).new_page()
        await page.goto(path)
        await wait_until_live(page)
        await page.locator("h1").wait_for()
        await page.locator(".skeleton").wait_for(state="detached")
        await page.evaluate("document.fonts.ready")
        await page.screenshot(path=PICTURES / f"{name}.png")
        return page


async def perform_morning(staff: DemoStaff) -> None:
    """Create the situation that the pictures show."""
    for patient, doctor in ((JOHN, SMITH), (MARIA, SMITH), (AMINA, SMITH), (KWAME, LINDQVIST)):
        await staff.check_in(patient, doctor)
    consultation = await staff.start("smith", SMITH, JOHN)
    await staff.start("amrani", AMRANI, JOHN, wait=True)
    await staff.start("okafor", OKAFOR, JOHN)
    await staff.post("smith", f"/api/consultations/{consultation['id']}/extend", {"minutes": 15})
    await staff.post("smith", f"/api/consultations/{consultation['id']}/complete")
    await staff.start("amrani", AMRANI, JOHN)
    await staff.start("lindqvist", LINDQVIST, PETER)
    await staff.start("rossi", ROSSI, MARIA)
    await staff.start("smith", SMITH, MARIA, wait=True)
    await staff.start("smith", SMITH, LUCIA)


def backdate_morning(connection: Connection, now: datetime) -> None:
    """Overwrite the times of everything that `perform_morning` did."""

    def ago(minutes: float) -> datetime:
        return now - timedelta(minutes=minutes)

    johns_entries = select(timeline.c.id).where(timeline.c.patient_id == JOHN).order_by(timeline.c.id)
    for entry, minutes in zip(connection.scalars(johns_entries).all(), JOHNS_TIMELINE, strict=False):
        connection.execute(update(timeline).where(timeline.c.id == entry).values(at=ago(minutes)))
    for patient, doctor, started, overdue in (
        (JOHN, AMRANI, 14, -16),
        (PETER, LINDQVIST, 22, 7),
        (MARIA, ROSSI, 6, -9),
        (LUCIA, SMITH, 33, 13),
    ):
        running = (
            patient_trackings.c.status == "in_progress",
            patient_trackings.c.patient_id == patient,
            patient_trackings.c.doctor_id == doctor,
        )
        times = {"started_at": ago(started), "overdue_at": ago(overdue)}
        connection.execute(update(patient_trackings).where(*running).values(**times))
    for patient, minutes in ((MARIA, 25), (AMINA, 41), (KWAME, 12)):
        pending = (patient_trackings.c.patient_id == patient, patient_trackings.c.status == "pending")
        connection.execute(update(patient_trackings).where(*pending).values(check_in_time=ago(minutes)))
    connection.execute(update(waiting_line).values(since=ago(5)))


async def take_screenshots(engine: Engine, browser: Browser, staff: DemoStaff) -> None:
    PICTURES.mkdir(exist_ok=True)
    await staff.take_screenshot("worklist", "smith", "/worklist")
    await staff.take_screenshot("board", "supervisor", "/board", color_scheme="dark")
    await staff.take_screenshot("wall", "reception", "/wall")
    await staff.take_screenshot("visit", "supervisor", f"/patients/{JOHN}")
    page = await staff.take_screenshot("keys", "amrani", "/worklist")
    await page.keyboard.press("?")
    await page.get_by_role("dialog").wait_for()
    await page.screenshot(path=PICTURES / "keys.png")
    signed_out = await browser.new_context(base_url=engine.url, viewport=SIGN_IN_SIZE, locale="fr-FR")
    sign_in_page = await signed_out.new_page()
    await sign_in_page.goto("/")
    await sign_in_page.locator("form").wait_for()
    await sign_in_page.screenshot(path=PICTURES / "sign-in.png")


async def main() -> None:
    async with launch_chromium() as browser:
        with tempfile.TemporaryDirectory(prefix="visit-pictures-") as folder:
            engine = Engine(Path(folder), timezone="Europe/Paris")
            try:
                await asyncio.to_thread(migrations.upgrade, engine.settings.effective_database_url)
                logins = await loading.load_demonstration(
                    engine.database, engine.settings.calendar, data_dir=Path(folder)
                )
                for process in (engine.temporal, engine.worker, engine.api):
                    process.start()
                await engine.wait_until_ready()
                staff = DemoStaff(engine, browser, {login.username: login.password for login in logins})
                await perform_morning(staff)
                await engine.database.write(backdate_morning, datetime.now(UTC))
                await take_screenshots(engine, browser, staff)
            finally:
                await engine.close()


if __name__ == "__main__":
    asyncio.run(main())
