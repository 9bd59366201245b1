"""The board: lanes by doctor and by room, states, and the day's numbers."""

import asyncio

import pytest
from playwright.async_api import CDPSession, Page, Route, expect

from tests.support.page_site import StaffPages, card, isolated_name, middle, notices
from tests.support.scene import call_patient


def lane(page: Page, title: str) -> str:
    """The selector of the lane with this heading."""
    return f".column:has(h2 bdi:text-is('{title}'))"


async def test_lane_has_a_doctors_patients_in_order(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    busy, (running, _) = await staff.new_patient(doctor, other_doctor)
    waiting, (appointment,) = await staff.new_patient(doctor)
    await staff.backdate_tracking(appointment, check_in_time=40)
    assert (await staff.engine.start(doctor, busy, running)).status_code == 201
    board = await staff.open_page("supervisor", "/board")
    own, other = board.locator(lane(board, f"Dr. {doctor}")), board.locator(lane(board, f"Dr. {other_doctor}"))

    await expect(own.locator(".card")).to_contain_text([f"John Doe{busy}", f"John Doe{waiting}"])
    await expect(own.locator(".count")).to_have_text("2")
    await expect(own).to_contain_text("1 waiting · up to 40 min")
    await expect(other.locator(".card")).to_contain_text(f"With Dr. {doctor} at the moment")
    await expect(board.locator(".day-numbers")).to_contain_text("Median wait")
    await board.get_by_role("button", name="In consultation").click()
    await expect(own.locator(".card")).to_have_count(1)
    await expect(other).to_have_count(0)
    await board.reload()
    await expect(own.locator(".card")).to_contain_text([f"John Doe{busy}"])


async def test_waiting_patients_stand_in_the_order_of_the_list(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    (first, (first_appointment,)), (second, (second_appointment,)) = [await staff.new_patient(doctor) for _ in range(2)]
    await staff.backdate_tracking(first_appointment, check_in_time=40)
    async with staff.engine.staff("reception") as desk:
        await desk.patch(f"/api/appointments/{second_appointment}/priority", json={"priority": 1})
    board = await staff.open_page("reception", "/board")
    own = board.locator(lane(board, f"Dr. {doctor}"))

    await expect(own.locator(".card .patient")).to_contain_text([f"Doe{second}", f"Doe{first}"])
    # The longest wait is not that of the first one.
    await expect(own).to_contain_text("2 waiting · up to 40 min")


async def touch(devtools: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    """Put a finger on the screen (`touchStart`), or lift it (`touchEnd`)."""
    touched = [{"x": x, "y": y} for x, y in points]
    await devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


@pytest.mark.parametrize("pointer", ["mouse", "touch"])
async def test_no_card_moves_under_a_pointer(staff: StaffPages, pointer: str) -> None:
    doctor = staff.new_doctor()
    (gone, _), (resting, (last,)) = await staff.new_patient(doctor), await staff.new_patient(doctor)
    board = await staff.open_page("reception", "/board", has_touch=pointer == "touch")
    own = board.locator(lane(board, f"Dr. {doctor}"))
    left = card(board, resting).get_by_role("button", name="left without")
    x, y = await middle(left)
    devtools = await board.context.new_cdp_session(board)
    may_read = asyncio.Event()

    async def read_later(route: Route) -> None:
        await may_read.wait()
        await route.continue_()

    # A browser may take a finger that rests for long as another gesture. So the board reads the changes under the finger.
    await board.route("**/api/board", read_later)
    async with staff.engine.staff("reception") as other_desk:
        assert (await other_desk.post(f"/api/patients/{gone}/check-out")).status_code == 200
    late, _ = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, resting, last)).status_code == 201
    await (board.mouse.move(x, y) if pointer == "mouse" else touch(devtools, "touchStart", (x, y)))
    may_read.set()

    await expect(card(board, gone)).to_contain_text("has moved")
    await expect(card(board, gone).get_by_role("button")).to_have_count(0)
    await expect(card(board, resting)).to_contain_text(f"With Dr. {doctor}")
    await expect(own.locator(".card .patient")).to_contain_text([f"Doe{gone}", f"Doe{resting}"])
    box = await card(board, resting).bounding_box()
    assert box is not None
    assert box["y"] < y < box["y"] + box["height"]

    await (board.mouse.move(0, 0) if pointer == "mouse" else touch(devtools, "touchEnd"))
    await expect(own.locator(".card .patient")).to_contain_text([f"Doe{resting}", f"Doe{late}"])


async def test_left_on_a_card_asks_and_is_undone(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, _ = await staff.new_patient(doctor)
    board = await staff.open_page("reception", "/board")
    await card(board, patient).get_by_role("button", name="left without").click()

    question = board.get_by_role("alertdialog", name=f"Has {isolated_name(patient)}")
    await question.get_by_role("button", name="Go back").click()
    await expect(card(board, patient)).to_contain_text("Has waited for")
    await card(board, patient).get_by_role("button", name="left without").click()
    await question.get_by_role("button", name="Left").click()
    await board.mouse.move(0, 0)
    await expect(card(board, patient)).to_have_count(0)
    await notices(board).get_by_role("button", name="Undo").click()

    await expect(card(board, patient)).to_contain_text("Has waited for")


async def test_called_patient_is_reserved_in_the_lane_of_the_room(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    ticket = await call_patient(staff, doctor, room="31")
    board = await staff.open_page("reception", "/board")

    await board.get_by_role("button", name="By room").click()

    room = board.locator(lane(board, "Room 31"))
    await expect(room).to_contain_text(ticket)
    await expect(room).to_contain_text(f"Reserved for Dr. {doctor}")


async def test_patient_between_two_services_stays_on_the_board(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, _) = await staff.new_patient(first, second, arrived=False)
    started = await staff.engine.start(first, patient, appointment)
    board = await staff.open_page("reception", "/board")

    await staff.engine.complete(first, started.json()["id"])

    between = board.locator(lane(board, "Between two services"))
    await expect(between.locator(f"[data-patient='{patient}']")).to_contain_text("in the house")
    await expect(board.locator(f"[data-patient='{patient}']")).to_have_count(1)
