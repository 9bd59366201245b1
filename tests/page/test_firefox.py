"""The page in Firefox: a doctor signs in, starts a consultation, and completes it."""

import json
from pathlib import Path

import pytest

from tests.support.firefox import FIREFOX_MISSING, FirefoxPage, find_firefox, launch_firefox
from tests.support.page_site import PASSWORD, StaffPages


async def sign_in(page: FirefoxPage, url: str, doctor: int) -> None:
    await page.goto(url)
    await page.wait_for("document.querySelectorAll('form input').length === 2")
    for n, text in enumerate((f"doctor-{doctor}", PASSWORD)):
        await page.evaluate(f"document.querySelectorAll('form input')[{n}].focus()")
        await page.type(text)
    await page.press("Sign in")
    await page.wait_for("document.querySelector('.light[data-state=live]')")


async def test_firefox_starts_and_completes(staff: StaffPages, tmp_path: Path) -> None:
    path = find_firefox()
    if path is None:
        pytest.skip(FIREFOX_MISSING)
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    row = f"document.querySelector('[data-appointment=\"{appointment}\"]')"

    async with launch_firefox(path, tmp_path) as page:
        await sign_in(page, staff.engine.url, doctor)
        await page.press("Start")
        await page.wait_for(f"{row}?.innerText.includes({json.dumps('In consultation with you')})")
        await staff.backdate_tracking(appointment, started_at=10)
        await page.goto(staff.engine.url)
        await page.press("Complete")
        await page.wait_for("document.querySelector('[data-group=done] .count')?.innerText === '1'")

    rows = await staff.page_site.query("SELECT status FROM appointments WHERE id = :id", id=appointment)
    assert [row["status"] for row in rows] == [4]
