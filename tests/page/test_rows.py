"""The rows of the worklist: filters in the address, keys, and a refresh that moves nothing under the doctor's hand."""

from playwright.async_api import Page, expect
from sqlalchemy import insert

from patient_visit_engine.storage.tables import appointments
from tests.support.page_site import PASSWORD, StaffPages, is_live, press, row


async def place(page: Page) -> tuple[float, str | None]:
    """How far the page is scrolled, and which row has the focus."""
    found = await page.evaluate(
        "[scrollY, document.activeElement?.closest('[data-appointment]')?.dataset.appointment ?? null]"
    )
    return found[0], found[1]


async def test_a_refresh_moves_neither_scroll_nor_focus_nor_selection(shift: StaffPages) -> None:
    doctor, other = shift.doctor(), shift.doctor()
    rows = [(await shift.patient(doctor, other)) for _ in range(40)]
    here = await shift.screen(doctor)
    watched = rows[25][1][0]
    await row(here, watched).scroll_into_view_if_needed()
    await press(here, watched, "Start").focus()
    await here.evaluate("getSelection().selectAllChildren(document.activeElement.closest('li').querySelector('.for'))")
    before = await place(here)
    assert before[0] > 0

    for patient, (_, theirs) in (rows[0], rows[24], rows[39]):
        assert (await shift.hospital.start(other, patient, theirs)).status_code == 201
    await expect(here.locator(".row.busy")).to_have_count(3)

    assert await place(here) == before == (before[0], str(watched))
    assert await here.evaluate("String(getSelection())") == "Cardiology"
    await expect(row(here, watched)).to_have_attribute("aria-current", "true")


async def test_the_focus_stays_in_the_row_when_its_button_is_gone(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (mine,) = await shift.patient(doctor)
    here = await shift.screen(doctor)

    for what, then in (("Start", "In consultation with you"), ("Complete", "Done")):
        await press(here, mine, what).focus()
        await here.keyboard.press("Enter")
        await expect(row(here, mine)).to_contain_text(then)
        assert (await place(here))[1] == str(mine)


async def test_a_day_is_worked_through_by_keyboard_alone(shift: StaffPages) -> None:
    doctor = shift.doctor()
    _, (first,) = await shift.patient(doctor)
    _, (second,) = await shift.patient(doctor)
    here = await (await shift.browser(None)).new_page()
    await here.goto("/")
    await here.get_by_label("Name", exact=True).wait_for()
    await here.keyboard.type(f"doctor-{doctor}")
    await here.keyboard.press("Tab")
    await here.keyboard.type(PASSWORD)
    await here.keyboard.press("Enter")
    await is_live(here)
    await row(here, second).wait_for()

    await here.keyboard.press("j")
    await here.keyboard.press("j")
    await here.keyboard.press("Enter")
    await expect(row(here, second)).to_contain_text("In consultation with you")
    await here.keyboard.press("Enter")
    await expect(row(here, second)).to_contain_text("Done")
    await here.keyboard.press("k")
    assert (await place(here))[1] == str(first)
    await here.keyboard.press("v")
    await expect(here.get_by_role("heading", level=1)).to_contain_text("John Doe")
    await here.keyboard.press("w")
    await row(here, first).wait_for()
    await here.keyboard.press("/")
    await here.keyboard.type("nobody")
    await expect(here.get_by_text("No appointments for this day")).to_be_visible()


async def test_all_keys_are_listed_and_can_be_turned_off(shift: StaffPages) -> None:
    here = await shift.screen(shift.doctor())

    await here.keyboard.press("?")
    dialog = here.get_by_role("dialog", name="Keys")
    await expect(dialog.locator("kbd")).to_have_count(13)
    await dialog.get_by_label("Use single keys").uncheck()
    await here.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await here.keyboard.press("b")
    await here.keyboard.press("?")

    await expect(dialog).to_be_visible()
    assert here.url.endswith("/worklist")


async def test_search_status_day_and_page_are_in_the_address_and_come_back_with_it(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, _ = await shift.patient(doctor)
    await shift.patient(doctor)
    here = await shift.screen(doctor)
    await expect(here.locator(".row")).to_have_count(2)

    await here.get_by_placeholder("Patient, doctor or prestation").fill(f"Doe{patient}")
    await expect(here.locator(".row")).to_have_count(1)
    await here.get_by_label("Confirmed").check()
    await here.wait_for_url(f"**/worklist?status=confirmed#q=Doe{patient}")
    again = await here.context.new_page()
    await again.goto(here.url)
    await expect(again.locator(".row")).to_have_count(1)
    await expect(again.get_by_label("Confirmed")).to_be_checked()
    await here.get_by_role("button", name="Day after").click()
    await expect(here.locator(".row")).to_have_count(0)
    day = await here.get_by_label("Day", exact=True).input_value()
    await expect(here).to_have_url(f"{shift.hospital.url}/worklist?date={day}&status=confirmed#q=Doe{patient}")
    await here.go_back()
    await expect(here.locator(".row")).to_have_count(1)


async def test_more_than_a_page_of_appointments_is_paged(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, _ = await shift.patient(doctor)
    of = {"patient_id": patient, "doctor_id": doctor, "prestation_id": 1, "status": 1, "scheduled_at": shift.now}
    more = [of | {"id": next(shift.ward.appointments)} for _ in range(51)]
    await shift.hospital.database.write(lambda at: at.execute(insert(appointments), more))
    here = await shift.screen(doctor, "/worklist?page=2")

    await expect(here.locator(".row")).to_have_count(2)
    await here.get_by_role("button", name="Previous page").click()
    await expect(here.locator(".row")).to_have_count(50)
    await here.goto("/worklist?page=99")
    await expect(here.get_by_text("Page 2 of 2")).to_be_visible()


async def test_a_long_wait_and_an_arrival_are_said_in_words(shift: StaffPages) -> None:
    doctor = shift.doctor()
    patient, (mine,) = await shift.patient(doctor)
    board = await shift.screen("reception", "/board")
    here = await shift.screen(doctor)

    await board.get_by_placeholder("Find a patient").fill(f"Doe{patient}")
    await board.get_by_role("button", name=f"Check in John Doe{patient}").click()

    await expect(row(here, mine)).to_contain_text("Checked in at")
    await shift.long_ago(mine, check_in_time=31)
    await here.reload()
    await expect(row(here, mine)).to_contain_text("Long wait: 31 min")
