"""What appears under a resting pointer, where something else was, ignores presses for a second."""

import asyncio
from datetime import UTC, datetime, timedelta

from playwright.async_api import Route, expect
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from tests.support.desk_page import expect_patient, result, search_field, wait_until_seen
from tests.support.page_site import StaffPages, card, middle, press_next_at, reply_unavailable, row, was_pressed


async def test_check_in_that_becomes_left_ignores_the_press(staff: StaffPages) -> None:
    patient = await expect_patient(staff, "Riemann", "RI-1", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await search_field(desk).fill("riemann")
    await wait_until_seen(desk)
    acts = result(desk, patient).locator(".result-head .acts")
    check_in = acts.get_by_role("button", name="Check in John Riemann")
    await desk.mouse.move(*await middle(check_in))
    await press_next_at(desk, acts, check_in)

    async with staff.engine.staff("reception") as other_desk:
        assert (await other_desk.post(f"/api/patients/{patient}/check-in")).status_code == 200

    await was_pressed(desk)
    left = acts.get_by_role("button", name="left without being seen")
    await expect(left).to_have_attribute("aria-disabled", "false")
    await expect(desk.get_by_role("alertdialog")).to_have_count(0)
    await expect(desk.get_by_role("dialog")).to_have_count(0)
    # A press after the second counts.
    await left.click()
    await expect(desk.get_by_role("alertdialog")).to_be_visible()


async def test_list_after_a_failed_search_ignores_presses_for_a_second(staff: StaffPages) -> None:
    patient = await expect_patient(staff, "Ramanujan", "RA-1", staff.new_doctor())
    desk = await staff.open_page("reception", "/desk")
    await desk.clock.install()
    await desk.route("**/api/patients?q=*", reply_unavailable)
    await search_field(desk).fill("ramanujan")
    # The walk-in is the way out, and it is where the first patient will be.
    await desk.get_by_role("button", name="New walk-in").wait_for()
    await wait_until_seen(desk)
    await desk.unroute("**/api/patients?q=*")
    await desk.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    ready = desk.locator(".results[data-ready]")

    while not await result(desk, patient).is_visible():
        await desk.clock.run_for(10)
    await desk.clock.run_for(900)
    await expect(ready).to_have_count(0)
    await desk.clock.run_for(100)

    await expect(ready).to_have_count(1)


async def test_commands_that_replace_reading_ignore_the_press(staff: StaffPages) -> None:
    patient, _ = await staff.new_patient(staff.new_doctor())
    board = await staff.open_page("reception", "/board")
    may_read = asyncio.Event()

    async def read_later(route: Route) -> None:
        await may_read.wait()
        await route.continue_()

    await board.route("**/api/appointments?*", read_later)
    await card(board, patient).get_by_role("button", name="More for").click()
    menu = board.get_by_role("menu")
    reading = menu.get_by_text("Reading")
    await reading.hover(force=True)
    await press_next_at(board, menu, reading)
    may_read.set()

    await was_pressed(board)
    await expect(menu.get_by_role("menuitem").first).not_to_have_attribute("aria-disabled", "true")
    await expect(menu).to_be_visible()
    # A press after the second counts.
    await menu.get_by_role("menuitem", name="Give to another doctor").click()
    await expect(board.get_by_role("dialog", name="Give to another doctor")).to_be_visible()


async def test_start_on_the_patients_page_moves_no_row(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (first, second) = await staff.new_patient(doctor, other_doctor, arrived=False)
    page = await staff.open_page(doctor, f"/patients/{patient}")
    button = row(page, first).get_by_role("button", name="More for")
    await button.hover()
    before = await button.bounding_box()

    assert (await staff.engine.start(other_doctor, patient, second)).status_code == 201

    await expect(page.get_by_text(f"With Dr. {other_doctor} for 0 min").first).to_be_visible()
    await expect(row(page, second)).to_contain_text(f"With Dr. {other_doctor}")
    assert await button.bounding_box() == before


async def test_new_row_on_the_patients_page_appears_when_the_pointer_leaves(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (shown,) = await staff.new_patient(doctor)
    page = await staff.open_page("reception", f"/patients/{patient}")
    button = row(page, shown).get_by_role("button", name="More for")
    await button.hover()
    before = await button.bounding_box()

    new = next(staff.page_site.appointment_ids)
    await staff.engine.admit(patient, {new: staff.new_doctor()})
    move = update(appointments).where(appointments.c.id == new).values(scheduled_at=staff.now - timedelta(minutes=1))
    await staff.engine.database.write(lambda connection: connection.execute(move))
    async with staff.engine.staff("reception") as other_desk:
        assert (await other_desk.post(f"/api/appointments/{new}/check-in")).status_code == 201

    await expect(page.get_by_role("button", name="The list has changed")).to_be_visible()
    assert await button.bounding_box() == before
    await page.mouse.move(0, 0)
    await expect(row(page, new)).to_be_visible()


async def test_patients_page_says_that_the_rows_cannot_be_read(staff: StaffPages) -> None:
    patient, (appointment,) = await staff.new_patient(staff.new_doctor())
    page = await staff.open_page("reception", "/board")
    fails = True

    async def fail(route: Route) -> None:
        if fails:
            await route.fulfill(status=403, json={"code": "wrong_role", "title": "", "detail": ""})
        else:
            await route.continue_()

    await page.route("**/api/appointments?*", fail)
    await card(page, patient).get_by_role("link").click()

    await expect(page.get_by_role("alert")).to_contain_text("Your role may not do this")
    fails = False
    await page.get_by_role("button", name="Try again").click()
    await expect(row(page, appointment)).to_be_visible()
