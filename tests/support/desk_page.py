"""What the tests do at the desk: expect a patient, search, and scan."""

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Locator, Page

from tests.support.page_site import StaffPages


async def expect_patient(staff: StaffPages, last_name: str, number: str, *doctors: int, **fields: Any) -> int:
    """A patient with these names and this record number, who is expected today by each doctor. Returns the id."""
    patient, _ = await staff.new_patient(*doctors, arrived=False)
    identifiers = [{"system": "urn:hospital:mrn", "value": number}]
    body = {"first_name": "John", "last_name": last_name, "identifiers": identifiers} | fields
    async with staff.engine.staff("service") as feed:
        answer = await feed.put(f"/api/patients/{patient}", json=body)
    assert answer.status_code == 200, answer.text
    return patient


async def statuses(staff: StaffPages, patient: int) -> list[int]:
    """The statuses of the patient's appointments: 1 is confirmed, 2 canceled, 3 checked in."""
    rows = await staff.page_site.query("SELECT status FROM appointments WHERE patient_id = :id ORDER BY id", id=patient)
    return [row["status"] for row in rows]


def search_field(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Find a patient")


def result(page: Page, patient: int) -> Locator:
    """The patient in the results of the search."""
    return page.locator(f"[data-result][data-patient='{patient}']")


async def scan(page: Page, number: str) -> None:
    """As fast as a scanner, also on a busy machine: the page's clock stands still until the last key."""
    # A clock cannot be paused in its past. It starts a minute early, so that it is still before this moment when it is paused.
    moment = datetime.now(UTC)
    await page.clock.install(time=moment - timedelta(minutes=1))
    await page.clock.pause_at(moment)
    await page.keyboard.type(number)
    await page.keyboard.press("Enter")
    await page.clock.resume()


async def wait_until_seen(page: Page) -> None:
    """The results for the typed text have been on the screen for as long as a user needs. An earlier Enter is not for them."""
    await page.locator(".results[data-ready]:not(.old)").wait_for()
