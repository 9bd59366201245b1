"""Takes the pictures of the README: the demonstration hospital in the middle of a morning; it must not prove anything.

Run as `python -m tests.page.screenshots`. What happens is done by the running system; only how long ago it happened is written over,
since nobody wants to wait an hour for a picture.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page
from sqlalchemy import Connection, select, update

from patient_visit_engine.cli.demo import command
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.tables import appointments, patient_trackings, timeline, waiting_line
from tests.support.chromium import launched
from tests.support.engine import Engine
from tests.support.page_site import is_live

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
SIZE = {"width": 1180, "height": 720}
JOHN, MARIA, AMINA, PETER, LUCIA, KWAME = range(1, 7)
SMITH, AMRANI, ROSSI, LINDQVIST, OKAFOR = range(1, 6)


class Morning:
    """The demonstration hospital with its staff at the keys."""

    def __init__(self, hospital: Engine, browser: Browser, passwords: dict[str, str]) -> None:
        self._hospital = hospital
        self._browser = browser
        self._passwords = passwords
        self._at_desk: dict[str, BrowserContext] = {}

    async def who(self, name: str, **context: object) -> BrowserContext:
        opened = await self._browser.new_context(
            base_url=self._hospital.url, viewport=SIZE, locale="en-GB", reduced_motion="reduce", **context
        )
        answer = await opened.request.post("/api/session", data={"username": name, "password": self._passwords[name]})
        assert answer.status == 204, answer.status
        return opened

    async def ask(self, name: str, path: str, body: object = None) -> dict[str, object]:
        if name not in self._at_desk:
            self._at_desk[name] = await self.who(name)
        answer = await self._at_desk[name].request.post(path, data=body or {})
        found: dict[str, object] = await answer.json()
        return found

    async def appointment(self, patient: int, doctor: int) -> int:
        def read(connection: Connection) -> int:
            of = (appointments.c.patient_id == patient, appointments.c.doctor_id == doctor)
            return connection.execute(select(appointments.c.id).where(*of)).scalar_one()

        return await self._hospital.database.read(read)

    async def start(self, name: str, doctor: int, patient: int, **more: object) -> dict[str, object]:
        booked = await self.appointment(patient, doctor)
        body = {"appointment_id": booked, "patient_id": patient, "doctor_id": doctor, **more}
        return await self.ask(name, "/api/consultations", body)

    async def check_in(self, patient: int, doctor: int) -> None:
        await self.ask("reception", f"/api/appointments/{await self.appointment(patient, doctor)}/check-in")

    async def shoot(self, name: str, who: str, path: str, **context: object) -> Page:
        page = await (await self.who(who, **context)).new_page()
        await page.goto(path)
        await is_live(page)
        await page.locator("h1").wait_for()
        await page.locator(".skeleton").wait_for(state="detached")
        await page.evaluate("document.fonts.ready")
        await page.screenshot(path=PICTURES / f"{name}.png")
        return page


async def play(morning: Morning) -> None:
    """What the pictures show."""
    for patient, doctor in ((JOHN, SMITH), (MARIA, SMITH), (AMINA, SMITH), (KWAME, LINDQVIST)):
        await morning.check_in(patient, doctor)
    first = await morning.start("smith", SMITH, JOHN)
    await morning.start("amrani", AMRANI, JOHN, wait=True)
    await morning.start("okafor", OKAFOR, JOHN)
    await morning.ask("smith", f"/api/consultations/{first['id']}/extend", {"minutes": 15})
    await morning.ask("smith", f"/api/consultations/{first['id']}/complete")
    await morning.start("amrani", AMRANI, JOHN)
    await morning.start("lindqvist", LINDQVIST, PETER)
    await morning.start("rossi", ROSSI, MARIA)
    await morning.start("smith", SMITH, MARIA, wait=True)
    await morning.start("smith", SMITH, LUCIA)


def spread(connection: Connection, now: datetime) -> None:
    """Write over how long ago all that was."""

    def ago(minutes: float) -> datetime:
        return now - timedelta(minutes=minutes)

    story: Sequence[float] = (71, 52, 47, 46, 40, 31, 17, 17, 14, 14)
    of_john = select(timeline.c.id).where(timeline.c.patient_id == JOHN).order_by(timeline.c.id)
    for number, minutes in zip(connection.scalars(of_john).all(), story, strict=False):
        connection.execute(update(timeline).where(timeline.c.id == number).values(at=ago(minutes)))
    running = patient_trackings.c.status == "in_progress"
    for patient, doctor, minutes, due in (
        (JOHN, AMRANI, 14, -16),
        (PETER, LINDQVIST, 22, 7),
        (MARIA, ROSSI, 6, -9),
        (LUCIA, SMITH, 33, 13),
    ):
        of = (running, patient_trackings.c.patient_id == patient, patient_trackings.c.doctor_id == doctor)
        connection.execute(update(patient_trackings).where(*of).values(started_at=ago(minutes), overdue_at=ago(due)))
    for patient, minutes in ((MARIA, 25), (AMINA, 41), (KWAME, 12)):
        of = (patient_trackings.c.patient_id == patient, patient_trackings.c.status == "pending")
        connection.execute(update(patient_trackings).where(*of).values(check_in_time=ago(minutes)))
    connection.execute(update(waiting_line).values(since=ago(5)))


async def take(browser: Browser, folder: Path) -> None:
    hospital = Engine(folder, timezone="Europe/Paris")
    try:
        await asyncio.to_thread(migrations.upgrade, hospital.settings.database)
        logins = await command.load(hospital.database, hospital.settings.zone, data_dir=folder)
        for part in (hospital.temporal, hospital.worker, hospital.api):
            part.start()
        await hospital.ready()
        morning = Morning(hospital, browser, {login.username: login.password for login in logins})
        await play(morning)
        await hospital.database.write(spread, datetime.now(UTC))
        PICTURES.mkdir(exist_ok=True)
        await morning.shoot("worklist", "smith", "/worklist")
        await morning.shoot("board", "supervisor", "/board", color_scheme="dark")
        await morning.shoot("wall", "reception", "/wall")
        await morning.shoot("visit", "supervisor", f"/patients/{JOHN}")
        page = await morning.shoot("keys", "amrani", "/worklist")
        await page.keyboard.press("?")
        await page.get_by_role("dialog").wait_for()
        await page.screenshot(path=PICTURES / "keys.png")
        anyone = await browser.new_context(
            base_url=hospital.url, viewport={"width": 720, "height": 520}, locale="fr-FR"
        )
        signin = await anyone.new_page()
        await signin.goto("/")
        await signin.locator("form").wait_for()
        await signin.screenshot(path=PICTURES / "sign-in.png")
    finally:
        await hospital.close()


async def main() -> None:
    async with launched() as browser:
        with tempfile.TemporaryDirectory(prefix="visit-pictures-") as folder:
            await take(browser, Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
