"""Walk-ins at the desk: the name, the service and the doctor, and the ticket."""

import asyncio
import re

from playwright.async_api import Locator, Page, Route, expect

from tests.support.desk_page import expect_patient, result, search_field, statuses, wait_until_seen
from tests.support.page_site import StaffPages, notices, reply_unavailable


async def open_walk_in(desk: Page, name: str) -> Locator:
    """Type the name of a patient whom the search does not find, and press Enter. Returns the dialog."""
    await search_field(desk).fill(name)
    await wait_until_seen(desk)
    await search_field(desk).press("Enter")
    return desk.get_by_role("dialog", name="Walk-in")


async def overwrite_name(dialog: Locator, name: str) -> None:
    """Correct both names to this text, and hide their fields again."""
    await dialog.get_by_text("Correct the name, or add the birth date").click()
    await dialog.get_by_label("Given name").fill(name)
    await dialog.get_by_label("Family name").fill(name)
    await dialog.get_by_text("Correct the name, or add the birth date").click()


async def choose_service_and_doctor(dialog: Locator, doctor: int) -> None:
    """Fill in the two fields of a walk-in."""
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")


async def test_walk_in_by_keyboard_gets_ticket(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("Euler, Leonhard")
    await desk.get_by_role("button", name="New walk-in").wait_for()
    await wait_until_seen(desk)

    await desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog", name="Walk-in")
    await expect(dialog).to_contain_text("New patient: \u2068Leonhard EULER\u2069")
    await expect(dialog.get_by_label("Service")).to_be_focused()
    await expect(dialog.locator("input:visible, select:visible")).to_have_count(2)
    await choose_service_and_doctor(dialog, doctor)
    await dialog.get_by_label("Doctor").press("Tab")
    await dialog.get_by_role("button", name="Check in").press("Enter")

    await expect(dialog.locator(".ticket-number")).to_have_text(re.compile(r"[A-Z]+\d\d"))
    await expect(dialog.get_by_role("button", name="Print")).to_be_visible()
    rows = await staff.page_site.query("SELECT first_name FROM patients WHERE last_name = 'Euler'")
    assert [row["first_name"] for row in rows] == ["Leonhard"]


async def test_walk_in_name_can_be_corrected(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    dialog = await open_walk_in(desk, "Sofja Kovalevskaya")

    await overwrite_name(dialog, "")
    await choose_service_and_doctor(dialog, doctor)
    await dialog.get_by_role("button", name="Check in").click()
    # A name is missing, so its fields are shown again.
    await expect(dialog.get_by_label("Given name")).to_be_focused()
    await dialog.get_by_label("Given name").fill("Sofia")
    await dialog.get_by_label("Family name").fill("Kovalevskaya")
    await dialog.get_by_label("Birth date").fill("1850-01-15")
    await expect(dialog).to_contain_text("Sofia KOVALEVSKAYA\u2069, born 15 Jan 1850")
    await dialog.get_by_role("button", name="Check in").click()

    await expect(dialog.locator(".ticket-number")).to_be_visible()
    rows = await staff.page_site.query("SELECT first_name, birth_date FROM patients WHERE last_name = 'Kovalevskaya'")
    assert [(row["first_name"], str(row["birth_date"])) for row in rows] == [("Sofia", "1850-01-15")]


async def test_failed_search_offers_a_walk_in(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    await desk.route("**/api/patients?q=*", reply_unavailable)

    await desk.keyboard.type("4711 Hypatia")

    await expect(desk.get_by_text("The search does not answer")).to_be_visible()
    await wait_until_seen(desk)
    await desk.get_by_role("button", name="New walk-in").click()
    dialog = desk.get_by_role("dialog", name="Walk-in")
    await choose_service_and_doctor(dialog, doctor)
    await dialog.get_by_role("button", name="Check in").click()
    await expect(dialog.locator(".ticket-number")).to_be_visible()


async def test_enter_on_new_walk_in_stays_a_walk_in_when_the_search_recovers(staff: StaffPages) -> None:
    patient = await expect_patient(staff, "Lovelace", "LO-1", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.route("**/api/patients?q=*", reply_unavailable)
    await desk.keyboard.type("lovelace")
    await wait_until_seen(desk)
    await desk.keyboard.press("ArrowDown")
    await expect(desk.locator("[data-result].new")).to_be_focused()
    await desk.unroute("**/api/patients?q=*")
    await expect(result(desk, patient)).to_be_visible()
    await wait_until_seen(desk)

    await desk.keyboard.press("Enter")

    await expect(desk.get_by_role("dialog", name="Walk-in")).to_contain_text("New patient")
    assert await statuses(staff, patient) == [1]


async def test_ticket_of_a_walk_in_does_not_wait_for_the_lists(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    dialog = await open_walk_in(desk, "Hopper, Grace")
    await choose_service_and_doctor(dialog, doctor)
    await desk.route("**/api/appointments?*", reply_unavailable)

    await dialog.get_by_role("button", name="Check in").click()

    await expect(dialog.locator(".ticket-number")).to_have_text(re.compile(r"[A-Z]+\d\d"))


async def test_ticket_of_a_closed_walk_in_is_a_notice(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    dialog = await open_walk_in(desk, "Meitner, Lise")
    await choose_service_and_doctor(dialog, doctor)
    is_closed = asyncio.Event()

    async def answer_late(route: Route) -> None:
        await is_closed.wait()
        await route.continue_()

    await desk.route("**/api/walk-ins", answer_late)
    await dialog.get_by_role("button", name="Check in").click()
    await dialog.get_by_role("button", name="Go back").click()
    dialog = await open_walk_in(desk, "Noddack, Ida")
    await expect(dialog).to_contain_text("Ida NODDACK")
    is_closed.set()

    await expect(notices(desk)).to_contain_text("Lise MEITNER")
    await expect(notices(desk)).to_contain_text(re.compile(r"[A-Z]+\d\d"))
    await expect(dialog.locator(".ticket-number")).to_have_count(0)


async def test_walk_in_with_spaces_for_a_name_asks_for_the_name(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    dialog = await open_walk_in(desk, "Kepler")
    await overwrite_name(dialog, "  ")
    await choose_service_and_doctor(dialog, doctor)

    await dialog.get_by_role("button", name="Check in").click()

    await expect(dialog.get_by_label("Given name")).to_be_focused()
