"""A supervisor reads the figures of a day, on the screen and as a file."""

import csv
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.support.page_site import StaffPages


def table_row(page: Page, doctor: int) -> Locator:
    """The row of the doctor's figures."""
    return page.locator(f"tr[data-doctor='{doctor}']")


async def see_patient(staff: StaffPages, doctor: int, waited_minutes: int) -> None:
    """The doctor sees a patient who waited so many minutes."""
    patient, (appointment,) = await staff.new_patient(doctor)
    await staff.backdate_tracking(appointment, check_in_time=waited_minutes)
    consultation = await staff.engine.start(doctor, patient, appointment)
    await staff.engine.complete(doctor, consultation.json()["id"])


async def test_supervisor_reads_figures_of_each_doctor(staff: StaffPages, tmp_path: Path) -> None:
    doctor = staff.new_doctor()
    await see_patient(staff, doctor, 20)
    await see_patient(staff, doctor, 130)
    page = await staff.open_page("supervisor", "/board")

    await page.get_by_role("link", name="Report").click()
    cells = table_row(page, doctor).get_by_role("cell")
    await expect(cells.nth(0)).to_have_text("2")
    await expect(cells.nth(1)).to_have_text("20")
    await page.get_by_label("Doctor", exact=True).select_option(f"Dr. {doctor}")
    await page.get_by_text("As a table").click()
    waits = page.locator("figure table tbody tr")
    await expect(waits.filter(has_text="15 to 30 min")).to_contain_text("1")
    await expect(waits.filter(has_text="120 min or longer")).to_contain_text("1")
    await expect(page.locator("figure svg .number")).to_have_text(["1", "1"])

    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save as CSV").click()
    file = tmp_path / "report.csv"
    await (await download.value).save_as(file)
    lines = {line["doctor_id"]: line for line in csv.DictReader(file.read_text().splitlines())}
    assert (await download.value).suggested_filename == f"report-{lines['']['date']}.csv"
    assert lines[str(doctor)]["seen"] == "2"
    assert lines[""]["seen"] == await page.locator("[data-figure=seen] dd").inner_text()


async def test_report_of_another_day_has_its_own_address(staff: StaffPages) -> None:
    day = (staff.now - timedelta(days=400)).date()
    page = await staff.open_page("supervisor", f"/report/{day}")

    await expect(page.get_by_text("Nothing happened on this day.")).to_be_visible()
    await page.get_by_role("button", name="Day before").click()
    await expect(page).to_have_url(f"{staff.engine.url}/report/{day - timedelta(days=1)}")
    await page.get_by_role("button", name="Today").click()
    await expect(page).to_have_url(f"{staff.engine.url}/report")


async def test_only_supervisors_get_the_report(staff: StaffPages) -> None:
    page = await staff.open_page("reception", "/report")

    await expect(page.get_by_role("alert")).to_contain_text("Your role may not do this")
    assert await page.get_by_role("link", name="Report").count() == 0
