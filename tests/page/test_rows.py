"""The rows of the worklist: filters in the address, pages, and a refresh that moves nothing."""

from datetime import timedelta

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import insert

from patient_visit_engine.storage.tables import appointments
from tests.support.page_site import StaffPages, open_menu, row, row_button, was_dead_at_first, watch_new_buttons


async def place_and_focus(page: Page) -> tuple[float, str]:
    """Where in the window the row with the focus is, in pixels from its top, and the row's appointment."""
    place, appointment = await page.evaluate(
        """(() => {
            const row = document.activeElement.closest('[data-appointment]');
            return [Math.round(row.getBoundingClientRect().top), row.dataset.appointment];
        })()"""
    )
    return place, appointment


async def test_refresh_keeps_place_focus_and_selection(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patients = [await staff.new_patient(doctor, other_doctor) for _ in range(40)]
    page = await staff.open_page(doctor)
    appointment = patients[25][1][0]
    await row(page, appointment).scroll_into_view_if_needed()
    await row_button(page, appointment, "Start").focus()
    await page.evaluate("getSelection().selectAllChildren(document.activeElement.closest('li').querySelector('.for'))")
    before = await place_and_focus(page)
    assert await page.evaluate("scrollY") > 0

    # They have arrived now. In the order of the calls, they stand behind those who are expected earlier.
    for patient, (_, other_appointment) in (patients[0], patients[24], patients[39]):
        assert (await staff.engine.start(other_doctor, patient, other_appointment)).status_code == 201
    await expect(page.locator(".row.busy")).to_have_count(3)

    assert await place_and_focus(page) == before == (before[0], str(appointment))
    assert (await page.evaluate("String(getSelection())")).endswith("Cardiology")
    await expect(row(page, appointment)).to_have_attribute("aria-current", "true")


async def test_filters_are_in_the_address(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, _ = await staff.new_patient(doctor, arrived=False)
    await staff.new_patient(doctor, arrived=False)
    page = await staff.open_page(doctor)
    await expect(page.locator(".row")).to_have_count(2)

    await page.get_by_placeholder("Patient, ticket, doctor or service").fill(f"Doe{patient}")
    await expect(page.locator(".row")).to_have_count(1)
    await page.get_by_text("Filter", exact=True).click()
    await page.get_by_label("Confirmed").check()
    await page.wait_for_url(f"**/worklist?status=confirmed#q=Doe{patient}")

    second_tab = await page.context.new_page()
    await second_tab.goto(page.url)
    await expect(second_tab.locator(".row")).to_have_count(1)
    await expect(second_tab.get_by_label("Confirmed")).to_be_checked()
    await page.get_by_role("button", name="Day after").click()
    await expect(page.locator(".row")).to_have_count(0)
    day = await page.get_by_label("Day", exact=True).input_value()
    await expect(page).to_have_url(f"{staff.engine.url}/worklist?date={day}&status=confirmed#q=Doe{patient}")
    await page.go_back()
    await expect(page.locator(".row")).to_have_count(1)


async def test_long_list_has_pages(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, _ = await staff.new_patient(doctor, arrived=False)
    # On a day that no other test looks at. The desk lists the whole hospital.
    noon = staff.now.replace(hour=12) + timedelta(days=40)
    columns = {"patient_id": patient, "doctor_id": doctor, "prestation_id": 1, "status": 1, "scheduled_at": noon}
    more_rows = [columns | {"id": next(staff.page_site.appointment_ids)} for _ in range(202)]
    await staff.engine.database.write(lambda connection: connection.execute(insert(appointments), more_rows))
    page = await staff.open_page(doctor, f"/worklist?date={noon.date()}&page=2")

    await expect(page.locator(".row")).to_have_count(2)
    await page.get_by_role("button", name="Previous page").click()
    await expect(page.locator(".row")).to_have_count(200)
    await page.goto(f"/worklist?date={noon.date()}&page=99")
    await expect(page.get_by_text("Page 2 of 2")).to_be_visible()


async def test_row_shows_arrival_and_long_wait(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor, arrived=False)
    page = await staff.open_page(doctor)

    async with staff.engine.staff("reception") as reception:
        assert (await reception.post(f"/api/patients/{patient}/check-in")).status_code == 200

    await expect(row(page, appointment)).to_contain_text("Here for 0 min")
    await staff.backdate_tracking(appointment, check_in_time=31)
    await page.reload()
    await expect(row(page, appointment)).to_contain_text("Long wait: 31 min")


@pytest.mark.parametrize("path", ["/worklist", "/desk"])
async def test_row_keeps_its_height_under_a_pointer(staff: StaffPages, path: str) -> None:
    doctor = staff.new_doctor()
    arrived = path == "/worklist"
    rows = [await staff.new_patient(doctor, arrived=arrived) for _ in range(3)]
    (_, (first,)), (patient, (appointment,)), (_, (below,)) = rows
    page = await staff.open_page(doctor if arrived else "reception", path)
    await expect(row(page, first)).to_be_visible()
    button = row_button(page, below, "Start" if arrived else "Check in")
    await button.hover()
    before = await button.bounding_box(), await row(page, appointment).bounding_box()
    assert before[1] is not None
    assert before[1]["height"] == 48

    async with staff.engine.staff("service") as feed:
        names = {"first_name": "Maria", "last_name": "Fernandez de la Cruz " * 9}
        assert (await feed.put(f"/api/patients/{patient}", json=names)).status_code == 200

    await expect(row(page, appointment)).to_contain_text("Fernandez")
    assert (await button.bounding_box(), await row(page, appointment).bounding_box()) == before
    await page.mouse.move(0, 0)
    await expect(row(page, appointment)).not_to_have_attribute("data-fixed", "")
    box = await row(page, appointment).bounding_box()
    assert box is not None
    assert box["height"] > before[1]["height"]


async def start_two(staff: StaffPages, doctor: int) -> list[int]:
    """The appointments of two consultations of the doctor, in the order of the screen."""
    patients = [await staff.new_patient(doctor) for _ in range(2)]
    for patient, (appointment,) in patients:
        assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
        await staff.backdate_tracking(appointment, started_at=10)
    return [appointment for _, (appointment,) in patients]


async def test_complete_does_not_move_when_another_consultation_ends(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await start_two(staff, doctor)
    page = await staff.open_page(doctor)
    rows = page.locator(".group.now .row")
    await expect(rows).to_have_count(2)
    upper, lower = [int(await rows.nth(n).get_attribute("data-appointment") or 0) for n in range(2)]
    button = row_button(page, lower, "Complete")
    await button.hover()
    before = await button.bounding_box()

    tracking = await staff.page_site.query(
        "SELECT consultation_id FROM patient_trackings WHERE appointment_id = :a", a=upper
    )
    assert (await staff.engine.complete(doctor, tracking[0]["consultation_id"])).status_code == 200

    await expect(rows.nth(0)).to_contain_text("has moved")
    assert await button.bounding_box() == before
    await page.mouse.move(0, 0)
    await expect(rows).to_have_count(1)


async def test_line_about_a_passed_patient_moves_no_row(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (_, elsewhere) = await staff.new_patient(doctor, other_doctor)
    await staff.new_patient(doctor)
    _, (ready,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    button = row_button(page, ready, "Start")
    await button.hover()
    before = await button.bounding_box()

    assert (await staff.engine.start(other_doctor, patient, elsewhere)).status_code == 201

    await expect(page.locator(".row.busy")).to_have_count(1)
    assert await button.bounding_box() == before
    await page.mouse.move(0, 0)
    await expect(page.locator(".passed")).to_contain_text(f"is with \u2068Dr. {other_doctor}\u2069, about 20 min left")
    # Two lines of words about the other doctor fit into a row.
    assert await page.locator(".group.elsewhere .row").evaluate("row => row.offsetHeight") == 48


async def test_new_row_ignores_presses_for_a_second(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (first,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await expect(row_button(page, first, "Start")).to_have_attribute("aria-disabled", "false")
    await watch_new_buttons(page, ".group.ready .start")

    _, (second,) = await staff.new_patient(doctor)

    await expect(row_button(page, second, "Start")).to_have_attribute("aria-disabled", "false")
    assert await was_dead_at_first(page)


async def test_open_menu_keeps_its_entries_and_its_place(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await staff.new_patient(doctor)
    patient, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await open_menu(page, appointment)
    menu = page.get_by_role("menu")
    before = await menu.inner_text(), await menu.bounding_box()

    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    await expect(row(page, appointment)).to_contain_text("In consultation with you")

    assert (await menu.inner_text(), await menu.bounding_box()) == before
    await page.keyboard.press("Escape")
    await page.mouse.move(0, 0)
    await expect(page.locator(".group.now .row")).to_contain_text("In consultation with you")


async def test_complete_keeps_its_place_when_paused_and_overdue(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    page = await staff.open_page(doctor)
    complete = row_button(page, appointment, "Complete")
    await expect(page.locator(".group.now .row.mine")).to_be_visible()
    before = await complete.bounding_box()

    await row_button(page, appointment, "Pause").click()
    await expect(row_button(page, appointment, "Resume")).to_be_visible()
    assert await complete.bounding_box() == before
    await row_button(page, appointment, "Resume").click()
    await expect(row_button(page, appointment, "Pause")).to_be_visible()
    await staff.backdate_tracking(appointment, started_at=40, overdue_at=20)
    await page.reload()
    await expect(page.locator(".group.now .row.overdue")).to_be_visible()
    assert await complete.bounding_box() == before


async def test_fingers_have_large_targets(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    rows = await staff.open_page(doctor, has_touch=True, viewport={"width": 390, "height": 800})
    await open_menu(rows, appointment)
    board = await staff.open_page("supervisor", "/board", has_touch=True)
    own = board.locator(f".column:has(h2 bdi:text-is('Dr. {doctor}'))")

    targets = [
        *await rows.locator(".row button, .row a, [role=menuitem]").all(),
        *await own.locator(".card button, .card a").all(),
    ]
    heights = [box["height"] for target in targets if (box := await target.bounding_box())]
    assert len(heights) > 10
    assert min(heights) >= 44
