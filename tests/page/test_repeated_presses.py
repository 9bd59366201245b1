"""Double clicks and held keys count once, although the button under them has already changed."""

from playwright.async_api import expect

from tests.support.page_site import StaffPages, row, row_button


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
    # Until the browser has drawn a row, a press at the button's place goes to the row (`content-visibility`).
    await start.click(trial=True)
    box = await start.bounding_box()
    assert box is not None
    center = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

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
