"""The reception types or scans, and presses Enter: who is meant is checked in, and no one else."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.support.page_site import StaffPages, load_page, notices, reply_unavailable, row


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


@pytest.mark.parametrize("typed", ["Nunez, Jose", "josé núñez", "NUNEZ 1974", "2/5/1974 nunez", "mrn 0475"])
async def test_finds_patient_however_typed(staff: StaffPages, typed: str) -> None:
    number = f"MRN-0475{staff.new_doctor()}"
    patient = await expect_patient(
        staff, "Núñez", number, staff.new_doctor(), birth_date="1974-05-02", first_name="José"
    )
    desk = await staff.open_page("reception", "/desk")
    await expect(search_field(desk)).to_be_focused()

    await desk.keyboard.type(typed)

    await expect(result(desk, patient)).to_contain_text("born 2 May 1974")
    await expect(result(desk, patient)).to_contain_text("Not here yet")


async def test_unknown_name_is_not_called_expected_or_not(staff: StaffPages) -> None:
    await staff.new_patient(staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")

    await desk.keyboard.type("Xyzzyx")

    await expect(desk.get_by_role("status").filter(has_text="No patient found for")).to_contain_text("Xyzzyx")
    await expect(desk.get_by_role("button", name="New walk-in: \u2068Xyzzyx\u2069")).to_be_visible()
    await expect(desk.get_by_text("expected within the hour")).to_have_count(0)


async def test_enter_checks_in_all_of_first_patient(staff: StaffPages) -> None:
    first = await expect_patient(staff, "Abelard", "AB-1", staff.new_doctor(), staff.new_doctor())
    second = await expect_patient(staff, "Abelard", "AB-2", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("abelard")
    await expect(result(desk, second)).to_contain_text("same name")
    await wait_until_seen(desk)

    await desk.keyboard.press("Enter")

    await expect(desk.locator(".arrival .ticket-number")).to_have_text(re.compile(r"[A-Z]+\d\d"))
    assert (await statuses(staff, first), await statuses(staff, second)) == ([3, 3], [1])
    await expect(search_field(desk)).to_be_focused()
    await expect(search_field(desk)).to_have_value("")
    await notices(desk).get_by_role("button", name="Undo").click()
    await expect(desk.locator(".arrival")).to_have_count(0)
    assert await statuses(staff, first) == [1, 1]


async def test_arrow_keys_choose_another_patient(staff: StaffPages) -> None:
    first = await expect_patient(staff, "Bernoulli", "BE-1", staff.new_doctor())
    second = await expect_patient(staff, "Bernoulli", "BE-2", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("bernoulli")
    await expect(result(desk, second)).to_be_visible()

    await desk.keyboard.press("ArrowDown")
    await expect(result(desk, second)).to_be_focused()
    await desk.keyboard.press("Enter")

    await expect(desk.locator(".arrival")).to_contain_text("BE-2")
    assert (await statuses(staff, first), await statuses(staff, second)) == ([1], [3])


async def test_text_typed_on_a_result_is_whole(staff: StaffPages) -> None:
    patient = await expect_patient(staff, "Banach", "BA-1", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("banach")
    await expect(result(desk, patient)).to_be_visible()
    await desk.keyboard.press("ArrowDown")
    await expect(search_field(desk)).not_to_be_focused()

    # As slowly as a person types.
    await desk.keyboard.type("jo", delay=200)

    await expect(search_field(desk)).to_have_value("jo")


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


async def test_single_keys_still_work_at_the_desk(staff: StaffPages) -> None:
    await staff.new_patient(staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")
    await desk.get_by_role("tab").first.focus()

    await desk.keyboard.press("/")
    await expect(search_field(desk)).to_be_focused()
    await desk.get_by_role("tab").first.focus()
    await desk.keyboard.press("b")

    await expect(desk.get_by_role("heading", level=1)).to_contain_text("Board")


async def test_half_a_number_asks(staff: StaffPages) -> None:
    patients = [await expect_patient(staff, "Dirac", f"88001{digit}", staff.new_doctor()) for digit in (1, 2)]
    desk = await staff.open_page("reception", "/desk")

    await desk.keyboard.type("88001")
    await desk.keyboard.press("Enter")

    await expect(desk.get_by_role("status").filter(has_text="Several patients are possible")).to_be_visible()
    assert [await statuses(staff, patient) for patient in patients] == [[1], [1]]


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
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")
    await dialog.get_by_label("Doctor").press("Tab")
    await dialog.get_by_role("button", name="Check in").press("Enter")

    await expect(dialog.locator(".ticket-number")).to_have_text(re.compile(r"[A-Z]+\d\d"))
    await expect(dialog.get_by_role("button", name="Print")).to_be_visible()
    rows = await staff.page_site.query("SELECT first_name FROM patients WHERE last_name = 'Euler'")
    assert [row["first_name"] for row in rows] == ["Leonhard"]


async def test_walk_in_name_can_be_corrected(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("Sofja Kovalevskaya")
    await wait_until_seen(desk)
    await desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog", name="Walk-in")

    await dialog.get_by_text("Correct the name, or add the birth date").click()
    await dialog.get_by_label("Given name").fill("")
    await dialog.get_by_label("Family name").fill("")
    await dialog.get_by_text("Correct the name, or add the birth date").click()
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")
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
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")
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


@pytest.mark.parametrize("pause", [0, 1])
async def test_enter_does_not_act_long_after(staff: StaffPages, pause: int) -> None:
    patient = await expect_patient(staff, "Artin", f"88078{pause}", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.route("**/api/patients?q=*", reply_unavailable)
    await desk.keyboard.type(f"88078{pause}")
    # The page may read the text already when Enter comes.
    if pause:
        await expect(desk.get_by_text("The search does not answer")).to_be_visible()
    await desk.keyboard.press("Enter")
    await expect(desk.get_by_role("alert")).to_contain_text("The database does not answer")

    await desk.unroute("**/api/patients?q=*")
    await desk.get_by_role("alert").get_by_role("button").click()

    await expect(result(desk, patient)).to_contain_text("Not here yet")
    await wait_until_seen(desk)
    assert await statuses(staff, patient) == [1]


async def test_ticket_of_a_walk_in_does_not_wait_for_the_lists(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("Hopper, Grace")
    await wait_until_seen(desk)
    await desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog", name="Walk-in")
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")
    await desk.route("**/api/appointments?*", reply_unavailable)

    await dialog.get_by_role("button", name="Check in").click()

    await expect(dialog.locator(".ticket-number")).to_have_text(re.compile(r"[A-Z]+\d\d"))


async def test_ticket_of_a_closed_walk_in_is_a_notice(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("Meitner, Lise")
    await wait_until_seen(desk)
    await desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog", name="Walk-in")
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")
    is_closed = asyncio.Event()

    async def answer_late(route: Route) -> None:
        await is_closed.wait()
        await route.continue_()

    await desk.route("**/api/walk-ins", answer_late)
    await dialog.get_by_role("button", name="Check in").click()
    await dialog.get_by_role("button", name="Go back").click()
    await search_field(desk).fill("Noddack, Ida")
    await wait_until_seen(desk)
    await search_field(desk).press("Enter")
    await expect(dialog).to_contain_text("Ida NODDACK")
    is_closed.set()

    await expect(notices(desk)).to_contain_text("Lise MEITNER")
    await expect(notices(desk)).to_contain_text(re.compile(r"[A-Z]+\d\d"))
    await expect(dialog.locator(".ticket-number")).to_have_count(0)


async def test_walk_in_with_spaces_for_a_name_asks_for_the_name(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("Kepler")
    await wait_until_seen(desk)
    await desk.keyboard.press("Enter")
    dialog = desk.get_by_role("dialog", name="Walk-in")
    await dialog.get_by_text("Correct the name, or add the birth date").click()
    await dialog.get_by_label("Given name").fill("  ")
    await dialog.get_by_label("Family name").fill("  ")
    await dialog.get_by_text("Correct the name, or add the birth date").click()
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {doctor}")

    await dialog.get_by_role("button", name="Check in").click()

    await expect(dialog.get_by_label("Given name")).to_be_focused()


async def test_no_show_takes_two_clicks_and_is_undone(staff: StaffPages) -> None:
    patient = await expect_patient(staff, "Fermat", "FE-1", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.keyboard.type("fermat")
    await expect(result(desk, patient)).to_be_visible()
    await wait_until_seen(desk)

    await result(desk, patient).get_by_role("button", name="More for").click()
    await desk.get_by_role("menuitem", name="Did not come to the appointment").click()

    await expect(result(desk, patient)).to_contain_text("Canceled")
    assert await statuses(staff, patient) == [2]
    await notices(desk).get_by_role("button", name="Undo").click()
    await expect(result(desk, patient)).to_contain_text("Not here yet")


async def test_patient_who_left_can_be_taken_back(staff: StaffPages) -> None:
    patient, (appointment,) = await staff.new_patient(staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.get_by_role("tab", name="Arrived").click()
    await row(desk, appointment).get_by_role("button", name="More for").click()
    await desk.get_by_role("menuitem", name="Left without being seen").click()

    await desk.get_by_role("tab", name="Canceled or left").click()
    await row(desk, appointment).get_by_role("button", name="More for").click()
    await desk.get_by_role("menuitem", name="Take the departure back").click()

    await desk.get_by_role("tab", name="Arrived").click()
    await expect(row(desk, appointment)).to_contain_text("Here for")
    assert await statuses(staff, patient) == [3]


async def test_no_row_moves_under_a_pointer(staff: StaffPages) -> None:
    first, (above,) = await staff.new_patient(staff.new_doctor(), arrived=False)
    _, (below,) = await staff.new_patient(staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")
    button = row(desk, below).get_by_role("button", name="Check in")
    await button.hover()
    before = await button.bounding_box()

    async with staff.engine.staff("reception") as other_desk:
        assert (await other_desk.post(f"/api/patients/{first}/check-in")).status_code == 200

    await expect(row(desk, above)).to_have_count(0)
    assert await button.bounding_box() == before
    await expect(desk.get_by_role("button", name="The list has changed")).to_be_visible()


async def test_ticket_of_an_arrival_moves_no_row(staff: StaffPages) -> None:
    _, (appointment, _) = await staff.new_patient(staff.new_doctor(), staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")
    tabs = desk.get_by_role("tablist")
    # From the top of the page, also when the press has scrolled it.
    place = "tabs => tabs.getBoundingClientRect().top + scrollY"
    before = await tabs.evaluate(place)

    await row(desk, appointment).get_by_role("button", name="Check in").click()

    await expect(desk.locator(".arrival li")).to_have_count(2)
    assert await tabs.evaluate(place) == before
    await desk.locator(".arrival").get_by_role("button", name="Close", exact=True).click()
    await expect(desk.locator(".arrival")).to_have_count(0)
    assert await tabs.evaluate(place) == before


async def test_search_moves_no_row(staff: StaffPages) -> None:
    patient = await expect_patient(staff, "Hilbert", "HI-1", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    tabs = desk.get_by_role("tablist")
    before = await tabs.bounding_box()

    await desk.keyboard.type("hilbert")

    await expect(result(desk, patient)).to_be_visible()
    assert await tabs.bounding_box() == before
    await desk.keyboard.press("ArrowDown")
    await desk.keyboard.press("Escape")
    await expect(result(desk, patient)).to_have_count(0)
    await expect(search_field(desk)).to_be_focused()
    assert await tabs.bounding_box() == before


async def test_slash_finds_patient_for_a_doctor(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient = await expect_patient(staff, "Galois", "GA-1", doctor, staff.new_doctor())
    page = await staff.open_page(doctor)

    await page.keyboard.press("/")
    await page.keyboard.type("galois")
    await expect(result(page, patient)).to_contain_text("Not here yet")
    await expect(result(page, patient).get_by_role("button", name="Check in John Galois")).to_have_count(1)
    assert "alois" not in page.url
    await wait_until_seen(page)
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", level=1)).to_contain_text("John Galois")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_search_reads_every_page_of_todays_rows(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient = await expect_patient(staff, "Oyelaran", f"MRN-88{doctor}", doctor)
    browser = await staff.open_browser("reception")

    async def give_on_second_page(route: Route) -> None:
        """Other rows fill the first page, as after the name of a service."""
        is_first = "page=1&" in route.request.url
        answer = await route.fetch(url=route.request.url.replace("page=2&", "page=1&"))
        body = await answer.json()
        items = [] if is_first else body["items"]
        await route.fulfill(response=answer, json=body | {"items": items, "total": 501})

    await browser.route(re.compile(r"/api/appointments\?.*q=Oyelaran"), give_on_second_page)
    desk = await load_page(browser, "/desk")
    await desk.keyboard.type("Oyelaran")

    await expect(result(desk, patient)).to_contain_text("Not here yet")
    await expect(result(desk, patient)).not_to_contain_text("No appointment today")
