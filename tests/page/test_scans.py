"""A scanner at the desk: each scan checks in its own patient, and no one else."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.support.desk_page import expect_patient, result, scan, search_field, statuses
from tests.support.page_site import StaffPages, reply_unavailable


async def test_scan_waits_for_its_own_answer(staff: StaffPages) -> None:
    shown = await expect_patient(staff, "Cauchy", "CA-1", staff.new_doctor())
    scanned = await expect_patient(staff, "Cantor", "770012", staff.new_doctor())
    next_scanned = await expect_patient(staff, "Cartan", "770013", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("cauchy")
    await expect(result(desk, shown)).to_be_visible()

    async def delay(route: Route) -> None:
        await asyncio.sleep(1)
        await route.continue_()

    await desk.route("**/api/patients?*", delay)
    await search_field(desk).select_text()
    for number in ("770012", "770013"):
        await desk.keyboard.type(number)
        await desk.keyboard.press("Enter")

    await expect(desk.locator(".arrival")).to_contain_text("770013")
    states = [await statuses(staff, patient) for patient in (shown, scanned, next_scanned)]
    assert states == [[1], [3], [3]]


@pytest.mark.parametrize("focus", ["row", "menu"])
async def test_scan_with_letters_is_whole_wherever_the_focus_is(staff: StaffPages, focus: str) -> None:
    number = f"DB-{staff.new_doctor()}W"
    patient = await expect_patient(staff, "Noether", number, staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    menu = desk.get_by_role("button", name="More for").first
    await menu.focus()
    if focus == "menu":
        await menu.press("Enter")
        await desk.get_by_role("menu").wait_for()

    # D, B and W are keys of the page, and a menu takes letters and Enter.
    await scan(desk, number)

    await expect(desk.locator(".arrival")).to_contain_text(number)
    assert desk.url.endswith("/desk")
    assert await statuses(staff, patient) == [3]
    await expect(desk.get_by_role("menu")).to_have_count(0)


async def test_half_a_number_asks(staff: StaffPages) -> None:
    patients = [await expect_patient(staff, "Dirac", f"88001{digit}", staff.new_doctor()) for digit in (1, 2)]
    desk = await staff.open_page("reception", "/desk")

    await desk.keyboard.type("88001")
    await desk.keyboard.press("Enter")

    await expect(desk.get_by_role("status").filter(has_text="Several patients are possible")).to_be_visible()
    assert [await statuses(staff, patient) for patient in patients] == [[1], [1]]


async def test_escape_gives_up_a_scan_without_an_answer(staff: StaffPages) -> None:
    given_up = await expect_patient(staff, "Agnesi", "880771", staff.new_doctor())
    scanned = await expect_patient(staff, "Ampere", "880772", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.route("**/api/patients?q=*", reply_unavailable)
    await desk.keyboard.type("880771")
    await desk.keyboard.press("Enter")
    await expect(desk.get_by_text("The search does not answer")).to_be_visible()

    await desk.keyboard.press("Escape")
    await desk.unroute("**/api/patients?q=*")
    await desk.keyboard.type("880772")
    await desk.keyboard.press("Enter")

    # Scans are acted on one after the other.
    await expect(desk.locator(".arrival")).to_contain_text("880772")
    assert [await statuses(staff, patient) for patient in (given_up, scanned)] == [[1], [3]]
