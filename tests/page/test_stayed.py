"""The dialog after a doctor's day was given away: each appointment that stayed has its own line."""

from datetime import UTC, datetime, timedelta

from playwright.async_api import Locator, Page, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from tests.page.test_board import lane
from tests.page.test_menus import choose
from tests.support.engine import X_RAY
from tests.support.page_site import StaffPages, reply_unavailable


async def start_all(staff: StaffPages, doctor: int, *patients: tuple[int, list[int]]) -> None:
    """Start every appointment of these patients, who get one name."""
    async with staff.engine.staff("service") as feed:
        for patient, started in patients:
            names = {"first_name": "Grace", "last_name": f"Murray{doctor}"}
            assert (await feed.put(f"/api/patients/{patient}", json=names)).status_code == 200
            for appointment in started:
                assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201


async def give_day_away(board: Page, doctor: int, other: int) -> Locator:
    """Give the doctor's day to another one. Returns the dialog that lists what stayed."""
    await choose(
        board, board.locator(lane(board, f"Dr. {doctor}")).locator(".lane-head"), "Give the day to another doctor"
    )
    dialog = board.get_by_role("dialog", name="Give the day to another doctor")
    await dialog.get_by_label("Doctor").select_option(f"Dr. {other}")
    await dialog.get_by_label("Reason").fill("ill")
    await dialog.get_by_role("button", name="Give the day away").click()
    await board.mouse.move(0, 0)
    return board.get_by_role("dialog", name=f"No appointment given to \u2068Dr. {other}\u2069")


async def test_lines_of_appointments_that_stayed_differ(staff: StaffPages) -> None:
    ill, other = staff.new_doctor(), staff.new_doctor()
    # Several X-rays may run at the same time.
    twice = await staff.new_patient(ill, ill, prestation=X_RAY)
    namesake = await staff.new_patient(ill, prestation=X_RAY)
    earlier = update(appointments).where(appointments.c.id == twice[1][0])
    earlier = earlier.values(scheduled_at=datetime.now(UTC) - timedelta(minutes=20))
    await staff.engine.database.write(lambda connection: connection.execute(earlier))
    await start_all(staff, ill, twice, namesake)
    board = await staff.open_page("reception", "/board")

    stayed = await give_day_away(board, ill, other)

    lines = stayed.get_by_role("listitem")
    await expect(lines).to_have_count(3)
    for line in await lines.all():
        await expect(line).to_contain_text(f"Grace Murray{ill}")
        await expect(line).to_contain_text("same name")
        await expect(line).to_contain_text("X-ray")
    first, *others = await lines.all_inner_texts()
    assert first not in others


async def test_unread_name_hides_no_other_line(staff: StaffPages) -> None:
    ill, other = staff.new_doctor(), staff.new_doctor()
    read, unread = [await staff.new_patient(ill, prestation=X_RAY) for _ in range(2)]
    await start_all(staff, ill, read, unread)
    board = await staff.open_page("reception", "/board")
    await board.route(f"**/api/patients/{unread[0]}", reply_unavailable)

    stayed = await give_day_away(board, ill, other)

    lines = stayed.get_by_role("listitem")
    await expect(lines.first).to_contain_text(f"Grace Murray{ill}")
    await expect(lines.last).to_contain_text("The name could not be read")
    await expect(lines.last).to_contain_text("in consultation for it")
    await board.unroute(f"**/api/patients/{unread[0]}")
    await stayed.get_by_role("button", name="Try again").click()
    await expect(lines.last).to_contain_text(f"Grace Murray{ill}")
    await expect(stayed.get_by_role("alert")).to_have_count(0)
