"""The search of the desk and of a doctor: what finds a patient, and what Enter does."""

import re

import pytest
from playwright.async_api import Route, expect

from tests.support.desk_page import expect_patient, result, search_field, statuses, wait_until_seen
from tests.support.page_site import StaffPages, load_page, notices, reply_unavailable


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
