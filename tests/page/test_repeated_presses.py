"""Double clicks and held keys count once, although the button under them has already changed."""

from playwright.async_api import expect

from tests.support.page_site import StaffPages, middle, row, row_button


async def tracking_statuses(staff: StaffPages, appointment: int) -> list[str]:
    rows = await staff.page_site.query("SELECT status FROM patient_trackings WHERE appointment_id = :a", a=appointment)
    return [tracking["status"] for tracking in rows]


async def test_double_click_on_start_starts_once(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    methods: list[str] = []
    page.on("request", lambda request: methods.append(request.method) if "/api/consultations" in request.url else None)

    await row_button(page, appointment, "Start").dblclick()

    await expect(row(page, appointment)).to_contain_text("In consultation with you")
    assert methods == ["POST"]
    trackings = await staff.page_site.query("SELECT status FROM patient_trackings WHERE patient_id = :p", p=patient)
    assert [tracking["status"] for tracking in trackings] == ["in_progress"]


async def test_slow_double_click_does_not_complete(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    start = row_button(page, appointment, "Start")
    center = await middle(start)

    await page.mouse.click(*center)
    await expect(row(page, appointment)).to_contain_text("In consultation with you")
    await expect(row_button(page, appointment, "Complete")).to_have_attribute("aria-disabled", "false")
    await page.mouse.move(*center)
    await page.mouse.down(click_count=2)
    await page.mouse.up(click_count=2)
    await row_button(page, appointment, "+15 min").click()

    assert await tracking_statuses(staff, appointment) == ["in_progress"]


async def test_held_enter_does_not_complete(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await row(page, appointment).wait_for()

    await page.keyboard.press("j")
    await page.keyboard.down("Enter")
    await expect(row(page, appointment)).to_contain_text("In consultation with you")
    await expect(row_button(page, appointment, "Complete")).to_have_attribute("aria-disabled", "false")
    # A held key sends a second `down` without an `up`.
    await page.keyboard.down("Enter")
    await page.keyboard.up("Enter")
    await row_button(page, appointment, "+15 min").click()

    assert await tracking_statuses(staff, appointment) == ["in_progress"]


async def test_second_enter_does_not_start_the_next_patient(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (first,) = await staff.new_patient(doctor)
    _, (second,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, first)).status_code == 201
    await staff.backdate_tracking(first, started_at=10)
    page = await staff.open_page(doctor)
    await row(page, first).wait_for()

    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(row(page, first)).to_contain_text("Done")
    await page.keyboard.press("Enter")
    # The page answers keys in order, so the search is open after the second Enter was handled.
    await page.keyboard.press("/")
    await page.get_by_role("dialog").wait_for()

    assert await tracking_statuses(staff, second) == ["pending"]


async def test_second_press_on_call_does_not_start(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    call = row_button(page, appointment, "Call")
    center = await middle(call)

    await page.mouse.click(*center)
    await expect(row(page, appointment)).to_contain_text("Called by you")
    await page.mouse.click(*center)
    await row(page, appointment).get_by_role("button", name="More for").click()

    assert await tracking_statuses(staff, appointment) == ["pending"]


async def test_menu_lists_its_commands_below_each_other(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)

    await row(page, appointment).get_by_role("button", name="More for").click()

    boxes = [await item.bounding_box() for item in await page.get_by_role("menuitem").all()]
    assert len(boxes) > 2
    assert len({box["x"] for box in boxes if box is not None}) == 1
