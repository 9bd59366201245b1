"""A busy hospital day for tests that look at every view of the page."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, Page

from tests.support.page_site import StaffPages, load_page

#: The server has no such page. A link inside the page can still lead there.
UNKNOWN_VIEW = "/no/such/page"
#: Each page with a user who may see it. `doctor` is the scene's doctor.
ADDRESSES = [
    ("supervisor", "/board"),
    ("reception", "/desk"),
    ("reception", "/board"),
    ("supervisor", "/wall"),
    ("wall", "/waiting-room"),
    ("doctor", "/worklist"),
    ("supervisor", "/patients/{patient}"),
    ("supervisor", "/report"),
    ("admin", "/admin?part=services"),
    ("doctor", UNKNOWN_VIEW),
]


@dataclass
class Scene:
    """The doctor is in consultation with `patient` for `appointment`. Every kind of row and card is on some page."""

    staff: StaffPages
    doctor: int
    patient: int
    appointment: int

    async def open_page(self, user: str, path: str, **options: Any) -> Page:
        """Open one of `ADDRESSES` in a new browser."""
        return await self._show(await self.staff.open_browser(self._account(user), **options), path)

    async def open_every_page(self, **options: Any) -> AsyncIterator[tuple[str, str, Page]]:
        """Open all `ADDRESSES`, one after the other, in one browser for each user. Yields user, address and page."""
        browsers: dict[str, BrowserContext] = {}
        for user, path in ADDRESSES:
            if user not in browsers:
                browsers[user] = await self.staff.open_browser(self._account(user), **options)
            page = await self._show(browsers[user], path)
            yield user, path, page
            await page.close()

    def _account(self, user: str) -> int | str:
        return self.doctor if user == "doctor" else user

    async def _show(self, browser: BrowserContext, path: str) -> Page:
        if path != UNKNOWN_VIEW:
            return await load_page(browser, path.format(patient=self.patient))
        page = await load_page(browser, "/")
        await page.evaluate(
            "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path
        )
        await page.locator(".notice h1").wait_for()
        return page


async def prepare_scene(staff: StaffPages) -> Scene:
    """One patient in consultation with the doctor, one busy elsewhere, one free, one checked in, one called by another doctor."""
    engine = staff.engine
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, blocked_appointment) = await staff.new_patient(doctor, other_doctor)
    busy_patient, (waiting_appointment, busy_appointment) = await staff.new_patient(doctor, other_doctor)
    await staff.new_patient(doctor)
    await staff.new_patient(doctor, arrived=False)
    assert (await engine.start(doctor, patient, appointment)).status_code == 201
    assert (await engine.start(other_doctor, patient, blocked_appointment)).status_code == 409
    assert (await engine.start(other_doctor, busy_patient, busy_appointment)).status_code == 201
    assert (await engine.start(doctor, busy_patient, waiting_appointment, wait=True)).status_code == 409
    async with engine.staff("reception") as reception:
        _, (checked_in,) = await staff.new_patient(doctor, arrived=False)
        assert (await reception.post(f"/api/appointments/{checked_in}/check-in")).status_code == 201
    await call_patient(staff, staff.new_doctor(), room="4")
    return Scene(staff, doctor, patient, appointment)


async def call_patient(staff: StaffPages, doctor: int, room: str | None = None) -> str:
    """Check a new patient of the doctor in and call the patient to the doctor's room. Returns the ticket."""
    await staff.new_patient(doctor)
    if room is not None:
        async with staff.engine.staff("supervisor") as supervisor:
            assert (await supervisor.put(f"/api/doctors/{doctor}/room", json={"room": room})).status_code == 200
    async with staff.engine.staff("doctor", doctor) as client:
        called = await client.post(f"/api/doctors/{doctor}/call-next")
    assert called.status_code == 200, called.text
    return str(called.json()["ticket"])
