"""The commands of the day are where a user looks for them, two clicks at most from the patient or the doctor."""

from datetime import timedelta

from playwright.async_api import Locator, Page, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from tests.page.test_board import lane
from tests.support.desk_page import expect_patient, result, search_field, statuses, wait_until_seen
from tests.support.page_site import StaffPages, card, choose_in_account, isolated_name, notices, open_menu, row


async def choose(page: Page, place: Locator, command: str) -> None:
    """Two clicks: the menu of a card, lane or row, and a command in it."""
    await place.get_by_role("button", name="More for").first.click()
    await page.get_by_role("menuitem", name=command, exact=True).click()
    # A list shows its new order when the pointer has left it.
    await page.mouse.move(0, 0)


async def test_reception_calls_the_next_patient_from_the_lane(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, _ = await staff.new_patient(doctor)
    board = await staff.open_page("reception", "/board")

    await choose(board, board.locator(lane(board, f"Dr. {doctor}")).locator(".lane-head"), "Call the next patient")

    await expect(notices(board).filter(has_text=f"Called: {isolated_name(patient)}")).to_be_visible()
    await expect(card(board, patient)).to_contain_text("Reserved for")


async def test_supervisor_sets_the_room_of_today_from_the_lane(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await staff.new_patient(doctor)
    board = await staff.open_page("supervisor", "/board")
    own = board.locator(lane(board, f"Dr. {doctor}"))

    await choose(board, own.locator(".lane-head"), "Room of today")
    dialog = board.get_by_role("dialog", name="Room of today")
    await dialog.get_by_label("Room").fill("12")
    await dialog.get_by_role("button", name="Save").click()

    await expect(own.locator(".lane-head")).to_contain_text("Room 12")


async def test_supervisor_sets_the_room_before_the_first_arrival(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    board = await staff.open_page("supervisor", "/board")
    await expect(board.locator(lane(board, f"Dr. {doctor}"))).to_have_count(0)

    await board.get_by_role("button", name="For a doctor").click()
    await board.get_by_role("menuitem", name="Room of today").click()
    dialog = board.get_by_role("dialog", name="Room of today")
    await dialog.get_by_label("Of which doctor").select_option(f"Dr. {doctor}")
    await dialog.get_by_label("Room", exact=True).fill("14")
    await dialog.get_by_role("button", name="Save").click()

    await expect(notices(board)).to_contain_text(f"Room of today: \u2068Dr. {doctor}\u2069")
    rooms = await staff.page_site.query("SELECT day_room FROM doctors WHERE id = :id", id=doctor)
    assert [row["day_room"] for row in rooms] == ["14"]


async def test_doctor_takes_a_walk_in_from_the_search(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient = await expect_patient(staff, "Weyl", "WE-1", staff.new_doctor())
    page = await staff.open_page(doctor)
    await page.keyboard.press("/")
    await page.keyboard.type("weyl")
    await wait_until_seen(page)

    await result(page, patient).get_by_role("button", name="Walk-in of John Weyl").click()
    dialog = page.get_by_role("dialog", name="Walk-in")
    # It is for the own list.
    await expect(dialog.get_by_label("Doctor")).to_have_count(0)
    await dialog.get_by_label("Service").select_option("Cardiology")
    await dialog.get_by_role("button", name="Check in").click()
    await dialog.locator(".ticket-number").wait_for()
    await dialog.get_by_role("button", name="Close").click()

    await expect(page.locator(".row").filter(has_text="WE-1")).to_contain_text("walk-in")


async def test_doctor_sets_and_ends_the_room_of_today(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    page = await staff.open_page(doctor)
    room = "SELECT day_room FROM doctors WHERE id = :id"

    for typed, stored in (("7B", "7B"), ("", None)):
        await choose_in_account(page, "Room of today")
        dialog = page.get_by_role("dialog", name="Room of today")
        if not typed:
            await expect(dialog.get_by_label("Room")).to_have_value("7B")
        await dialog.get_by_label("Room").fill(typed)
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
        assert [row["day_room"] for row in await staff.page_site.query(room, id=doctor)] == [stored]


async def test_day_of_a_doctor_who_fell_ill_goes_to_another(staff: StaffPages) -> None:
    ill, other = staff.new_doctor(), staff.new_doctor()
    running, (in_progress,) = await staff.new_patient(ill)
    assert (await staff.engine.start(ill, running, in_progress)).status_code == 201
    waiting, (appointment,) = await staff.new_patient(ill)
    board = await staff.open_page("reception", "/board")

    await choose(
        board, board.locator(lane(board, f"Dr. {ill}")).locator(".lane-head"), "Give the day to another doctor"
    )
    dialog = board.get_by_role("dialog", name="Give the day to another doctor")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {other}")
    await dialog.get_by_label("Reason").fill("ill")
    await dialog.get_by_role("button", name="Give the day away").click()
    await board.mouse.move(0, 0)

    stayed = board.get_by_role("dialog", name=f"1 appointment given to \u2068Dr. {other}\u2069")
    await expect(stayed.get_by_role("listitem")).to_have_count(1)
    await expect(stayed).to_contain_text(f"John Doe{running}")
    await expect(stayed).to_contain_text("The patient waits for this appointment, or is in consultation for it")
    await stayed.get_by_role("button", name="Close").click()
    await board.mouse.move(0, 0)
    await expect(board.locator(lane(board, f"Dr. {other}"))).to_contain_text(f"John Doe{waiting}")
    moved = await staff.page_site.query("SELECT doctor_id FROM appointments WHERE id = :id", id=appointment)
    assert [row["doctor_id"] for row in moved] == [other]
    # A day on which no one has come yet has no lane, so the rows have the command too.
    await staff.new_patient(ill, arrived=False)
    desk = await staff.open_page("reception", "/desk")
    await desk.get_by_role("button", name="More for").first.click()
    await expect(desk.get_by_role("menuitem", name="day to another doctor")).to_be_visible()


async def test_card_on_the_board_has_the_menu_of_the_row(staff: StaffPages) -> None:
    doctor, other = staff.new_doctor(), staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    busy, (in_progress,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, busy, in_progress)).status_code == 201
    reception = await staff.open_page("reception", "/board")
    # Of a consultation, reception sets only the priority.
    await card(reception, busy).get_by_role("button", name="More for").click()
    await expect(reception.get_by_role("menuitem")).to_have_text(["Priority"])
    await reception.keyboard.press("Escape")
    await choose(reception, card(reception, patient), "Give to another doctor")
    dialog = reception.get_by_role("dialog", name="Give to another doctor")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {other}")
    await dialog.get_by_role("button", name="Give to another doctor").click()
    await reception.mouse.move(0, 0)
    await expect(reception.locator(lane(reception, f"Dr. {other}"))).to_contain_text(f"John Doe{patient}")

    doctors_board = await staff.open_page(other, "/board")
    await expect(card(doctors_board, busy).get_by_role("button", name="More for")).to_have_count(0)
    await choose(doctors_board, card(doctors_board, patient), "Start")
    await expect(card(doctors_board, patient)).to_contain_text(f"With Dr. {other}")
    assert (await staff.page_site.query("SELECT status FROM appointments WHERE id = :id", id=appointment)) == [
        {"status": 5}
    ]


async def test_patient_between_two_services_is_checked_in_from_the_card(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, _) = await staff.new_patient(first, second, arrived=False)
    started = await staff.engine.start(first, patient, appointment)
    await staff.engine.complete(first, started.json()["id"])
    board = await staff.open_page("reception", "/board")

    await choose(board, card(board, patient), "Check in")

    await expect(board.locator(lane(board, f"Dr. {second}"))).to_contain_text(f"John Doe{patient}")


async def test_patients_page_has_the_buttons_and_the_menu(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor, f"/patients/{patient}")
    await row(page, appointment).get_by_role("button", name="Start with").click()
    await expect(row(page, appointment)).to_contain_text("In consultation with you")
    await choose(page, row(page, appointment), "Take the start back")
    await expect(row(page, appointment)).to_contain_text("Free")

    desk = await staff.open_page("reception", f"/patients/{patient}")
    await choose(desk, row(desk, appointment), "Left: everything of today")

    await expect(notices(desk)).to_contain_text("Left without being seen")
    await expect(row(desk, appointment)).to_contain_text("Left at")


async def test_whole_patient_leaves_from_the_search_and_comes_back(staff: StaffPages) -> None:
    patient = await expect_patient(staff, "Landau", "LA-1", staff.new_doctor(), staff.new_doctor())
    async with staff.engine.staff("reception") as other_desk:
        assert (await other_desk.post(f"/api/patients/{patient}/check-in")).status_code == 200
    desk = await staff.open_page("reception", "/desk")
    await search_field(desk).fill("landau")
    await wait_until_seen(desk)

    await result(desk, patient).get_by_role("button", name="left without being seen").click()
    await desk.get_by_role("alertdialog").get_by_role("button", name="Left", exact=True).click()

    await expect(result(desk, patient).get_by_text("Left at")).to_have_count(2)
    assert await statuses(staff, patient) == [1, 1]
    await notices(desk).get_by_role("button", name="Undo").click()
    await expect(result(desk, patient).get_by_text("Here for")).to_have_count(2)


async def test_rows_of_another_day_have_what_is_possible_then(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor, arrived=False)
    tomorrow = staff.now + timedelta(days=1)
    move = update(appointments).where(appointments.c.id == appointment).values(scheduled_at=tomorrow)
    await staff.engine.database.write(lambda connection: connection.execute(move))
    day = (staff.engine.today + timedelta(days=1)).isoformat()
    page = await staff.open_page("reception", f"/worklist?date={day}")

    await open_menu(page, appointment)
    await expect(page.get_by_role("menuitem", name="Did not come to the appointment")).to_have_count(0)
    await page.get_by_role("menuitem", name="Cancel the appointment").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel the appointment").click()

    await expect(row(page, appointment)).to_contain_text("Canceled")
