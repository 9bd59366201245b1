"""Everything works by keyboard, and the focus stays where the user put it."""

from playwright.async_api import Page, expect

from tests.support.page_site import PASSWORD, StaffPages, row, row_button, wait_until_live
from tests.support.waiting import wait_until_async


async def focused_row(page: Page) -> str | None:
    appointment: str | None = await page.evaluate(
        "document.activeElement?.closest('[data-appointment]')?.dataset.appointment ?? null"
    )
    return appointment


async def test_focus_stays_in_row_when_button_changes(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)

    await row_button(page, appointment, "Start").focus()
    await page.keyboard.press("Enter")

    await expect(row(page, appointment)).to_contain_text("In consultation with you")
    assert await focused_row(page) == str(appointment)


async def test_keyboard_alone_is_enough_for_a_day(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (first,) = await staff.new_patient(doctor)
    _, (second,) = await staff.new_patient(doctor)
    page = await (await staff.open_browser(None)).new_page()
    await page.goto("/")
    await page.get_by_label("Name", exact=True).wait_for()
    await page.keyboard.type(f"doctor-{doctor}")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await wait_until_live(page)
    await row(page, second).wait_for()

    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(row(page, second)).to_contain_text("In consultation with you")
    # Completing so early is asked about. The first Enter may come too soon after the start, and then does nothing.
    question = page.get_by_role("alertdialog")

    async def is_asked() -> bool:
        await page.keyboard.press("Enter")
        # The page has drawn the question, if there is one. Another Enter would go back.
        await page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        return await question.is_visible()

    await wait_until_async(is_asked, "the page asks before it completes")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(row(page, second)).to_contain_text("Done")
    await page.keyboard.press("k")
    assert await focused_row(page) == str(first)
    await page.keyboard.press("v")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("John Doe")
    await page.keyboard.press("w")
    await row(page, first).wait_for()
    await page.keyboard.press("f")
    await page.keyboard.type("unknown")
    await expect(page.get_by_text("No appointments for this day")).to_be_visible()


async def test_keys_are_listed_and_can_be_turned_off(staff: StaffPages) -> None:
    page = await staff.open_page(staff.new_doctor())

    await page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    await expect(dialog.locator("kbd")).to_have_count(17)
    await dialog.get_by_label("Use single keys").uncheck()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await page.keyboard.press("b")
    await page.keyboard.press("?")

    await expect(dialog).to_be_visible()
    assert page.url.endswith("/worklist")


async def test_focus_stays_on_desk_when_row_moves(staff: StaffPages) -> None:
    patient, _ = await staff.new_patient(staff.new_doctor(), arrived=False)
    desk = await staff.open_page("reception", "/desk")
    button = desk.get_by_role("button", name=f"Check in John Doe{patient}")
    await button.focus()

    await desk.keyboard.press("Enter")
    await expect(button).to_have_count(0)

    await expect(desk.locator("body")).not_to_be_focused()
    assert await desk.evaluate("document.activeElement.closest('main') !== null")


async def test_skip_link_keeps_the_search(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, _ = await staff.new_patient(doctor)
    page = await staff.open_page(doctor, f"/worklist#q=Doe{patient}")

    await page.get_by_role("link", name="To the content").focus()
    await page.keyboard.press("Enter")

    assert page.url.endswith(f"#q=Doe{patient}")
    await expect(page.locator("main")).to_be_focused()
