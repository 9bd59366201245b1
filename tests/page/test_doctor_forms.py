"""The forms about a doctor, on the board: an answer for a form that was closed changes no other form."""

import asyncio

from playwright.async_api import Locator, Page, Request, Route, expect

from tests.page.test_board import lane
from tests.page.test_menus import choose
from tests.support.page_site import StaffPages, notices


async def open_room_form(board: Page, doctor: int) -> Locator:
    """Open the form of the doctor's room from the lane's menu."""
    await choose(board, board.locator(lane(board, f"Dr. {doctor}")).locator(".lane-head"), "Room of today")
    return board.get_by_role("dialog", name="Room of today")


async def test_save_of_a_closed_form_does_not_empty_the_room(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await staff.new_patient(doctor)
    board = await staff.open_page("supervisor", "/board")
    may_read = asyncio.Event()
    saved: list[str | None] = []

    async def read_later(route: Route) -> None:
        await may_read.wait()
        await route.continue_()

    def note(request: Request) -> None:
        if request.method == "PUT":
            saved.append(request.post_data)

    board.on("request", note)
    await board.route(f"**/api/doctors/{doctor}", read_later)
    form = await open_room_form(board, doctor)
    # The form waits with an empty field for the room of today.
    await form.get_by_role("button", name="Save").click()
    await form.get_by_role("button", name="Cancel").click()
    may_read.set()
    await expect(form).to_have_count(0)

    form = await open_room_form(board, doctor)
    await form.get_by_label("Room").fill("8C")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)

    assert saved == ['{"room":"8C"}']


async def test_answer_for_a_closed_form_closes_no_other(staff: StaffPages) -> None:
    doctor, other = staff.new_doctor(), staff.new_doctor()
    for each in (doctor, other):
        await staff.new_patient(each)
    board = await staff.open_page("supervisor", "/board")
    may_answer = asyncio.Event()

    async def answer_later(route: Route) -> None:
        await may_answer.wait()
        await route.continue_()

    await board.route(f"**/api/doctors/{doctor}/room", answer_later)
    form = await open_room_form(board, doctor)
    await form.get_by_label("Room").fill("7B")
    await form.get_by_role("button", name="Save").click()
    await form.get_by_role("button", name="Cancel").click()
    await open_room_form(board, other)
    await form.get_by_label("Room").fill("9A")
    may_answer.set()

    await expect(notices(board)).to_contain_text(f"Room of today: \u2068Dr. {doctor}\u2069")
    await expect(form.get_by_label("Room")).to_have_value("9A")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    rooms = await staff.page_site.query(
        "SELECT day_room FROM doctors WHERE id IN (:a, :b) ORDER BY id", a=doctor, b=other
    )
    assert [row["day_room"] for row in rooms] == ["7B", "9A"]
