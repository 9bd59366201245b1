"""Rows that cannot be read, and rows of other days: the page shows nothing that is not true."""

from datetime import time, timedelta

from playwright.async_api import expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from tests.support.page_site import StaffPages, notices, reply_unavailable, row, wait_until_live


async def test_unreadable_rows_are_stale_until_read(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    second_page = await staff.open_page(second)
    await second_page.route("**/api/appointments*", reply_unavailable)

    assert (await staff.engine.start(first, patient, first_appointment)).status_code == 201
    await second_page.locator(".worklist.stale").wait_for()
    await wait_until_live(second_page)
    await second_page.unroute("**/api/appointments*")

    await expect(row(second_page, second_appointment)).to_contain_text(f"With Dr. {first}")
    await expect(second_page.locator(".stale")).to_have_count(0)


async def test_undo_does_not_wait_for_rows_that_cannot_be_read(staff: StaffPages) -> None:
    _, (appointment,) = await staff.new_patient(staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")
    await desk.route("**/api/appointments?*", reply_unavailable)

    await row(desk, appointment).get_by_role("button", name="Check in").click()
    await notices(desk).get_by_role("button", name="Undo").click()

    await expect(notices(desk).filter(has_text="Check-in taken back")).to_be_visible()


async def test_changing_the_day_hides_the_old_rows(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await page.route("**/api/appointments*", lambda _route: None)

    await page.get_by_role("button", name="Day after").click()

    await page.locator(".skeleton").wait_for()
    await expect(row(page, appointment)).to_have_count(0)


async def test_tomorrows_rows_have_only_a_menu(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    _, (free_appointment,) = await staff.new_patient(doctor, arrived=False)
    patient, (busy_appointment, other_appointment) = await staff.new_patient(doctor, other_doctor, arrived=False)
    tomorrow = staff.engine.today + timedelta(days=1)
    in_the_morning = staff.engine.settings.calendar.moment(tomorrow, time(9))
    both = appointments.c.id.in_((free_appointment, busy_appointment))
    moved = update(appointments).where(both).values(scheduled_at=in_the_morning)
    await staff.engine.database.write(lambda connection: connection.execute(moved))
    assert (await staff.engine.start(other_doctor, patient, other_appointment)).status_code == 201

    page = await staff.open_page(doctor, f"/worklist?date={tomorrow}")

    for appointment in (free_appointment, busy_appointment):
        await expect(row(page, appointment)).to_contain_text("Confirmed")
        await expect(row(page, appointment).locator("button")).to_have_count(1)
        await expect(row(page, appointment).get_by_role("button", name="More for")).to_be_visible()
