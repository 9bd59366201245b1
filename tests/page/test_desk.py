"""The desk: its lists, and what the menu of a row takes back."""

import re

from playwright.async_api import Route, expect

from tests.support.desk_page import expect_patient, result, search_field, statuses, wait_until_seen
from tests.support.page_site import StaffPages, notices, row


async def test_single_keys_still_work_at_the_desk(staff: StaffPages) -> None:
    await staff.new_patient(staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")
    await desk.get_by_role("tab").first.focus()

    await desk.keyboard.press("/")
    await expect(search_field(desk)).to_be_focused()
    await desk.get_by_role("tab").first.focus()
    await desk.keyboard.press("b")

    await expect(desk.get_by_role("heading", level=1)).to_contain_text("Board")


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


async def without_rows(route: Route) -> None:
    """A day with more arrivals than the desk has read: none of those that it knows."""
    answer = await route.fetch()
    body = await answer.json()
    await route.fulfill(response=answer, json=body | {"items": []})


async def test_ticket_does_not_depend_on_the_rows_that_are_read(staff: StaffPages) -> None:
    patient, (appointment,) = await staff.new_patient(staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")
    await desk.route(re.compile(r"/api/appointments\?.*status=pending"), without_rows)

    await row(desk, appointment).get_by_role("button", name="Check in").click()

    await expect(desk.locator(".arrival")).to_contain_text(f"DOE{patient}")
    await expect(desk.locator(".arrival .ticket-number")).to_have_text(re.compile(r"[A-Z]\d\d"))
