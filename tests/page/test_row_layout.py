"""The parts of a row: one status in a fixed column, and one filled button on the whole screen."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.support.page_site import StaffPages, notices, row, row_button
from tests.support.scene import Scene

WIDTHS = (320, 390, 768, 1024, 1280, 1920)
#: The left edge of each status, and whether it is a pill: a background with round ends, in a row's own colour.
#: Those that are drawn. A row far from the screen can have the places of another width.
PILLS = """() => [...document.querySelectorAll(".row .state .words")]
    .filter(words => words.checkVisibility({ contentVisibilityAuto: true })).map(words => {
    const { backgroundColor, borderTopLeftRadius } = getComputedStyle(words);
    return [Math.round(words.getBoundingClientRect().left), words.closest(".row").innerText,
        backgroundColor !== "rgba(0, 0, 0, 0)" && parseFloat(borderTopLeftRadius) >= 8];
})"""
#: The buttons on the screen whose background stands out from the page's by 3:1 or more.
FILLED = """() => {
    const light = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const page = light(getComputedStyle(document.body).backgroundColor);
    const isFilled = button => {
        const { backgroundColor } = getComputedStyle(button);
        const own = light(backgroundColor);
        const contrast = (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
        return !/, 0\\)$/.test(backgroundColor) && contrast >= 3;
    };
    return [...document.querySelectorAll("button, .button")]
        .filter(button => button.checkVisibility({ contentVisibilityAuto: true }) && isFilled(button))
        .map(button => button.ariaLabel ?? button.innerText);
}"""


async def draw(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 2000})
    await page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


@pytest.mark.parametrize(("user", "path"), [("doctor", "/worklist"), ("supervisor", "/worklist")])
async def test_status_is_a_pill_in_a_fixed_column(scene: Scene, user: str, path: str) -> None:
    page = await scene.open_page(user, path)

    for width in WIDTHS:
        await draw(page, width)
        pills = await page.evaluate(PILLS)
        assert len(pills) > 4
        rows_by_left = {left: row for left, row, _ in pills}
        assert len(rows_by_left) == 1, (width, rows_by_left)
        assert all(is_pill for _, _, is_pill in pills), width


async def offer_while_busy(staff: StaffPages, doctor: int, *, is_busy: bool) -> None:
    """The doctor may be in a consultation, and two patients for whom the doctor waited are free now."""
    if is_busy:
        patient, (appointment,) = await staff.new_patient(doctor)
        assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    for _ in range(2):
        holder = staff.new_doctor()
        patient, (held, waited) = await staff.new_patient(holder, doctor)
        started = await staff.engine.start(holder, patient, held)
        async with staff.engine.staff("doctor", doctor) as client:
            assert (await client.post(f"/api/appointments/{waited}/wait")).status_code == 200
        assert (await staff.engine.complete(holder, started.json()["id"])).status_code == 200


async def filled_buttons(page: Page) -> list[str]:
    await expect(page.locator(".offers button[aria-disabled=false]")).to_have_count(2)
    # Dead buttons look different, and become alive by themselves.
    await expect(page.locator(".row .button[aria-disabled=true]")).to_have_count(0)
    filled: list[str] = await page.evaluate(FILLED)
    return filled


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}])
async def test_only_complete_is_filled_during_a_consultation(staff: StaffPages, options: dict[str, Any]) -> None:
    doctor = staff.new_doctor()
    await offer_while_busy(staff, doctor, is_busy=True)
    page = await staff.open_page(doctor, **options)

    filled = await filled_buttons(page)

    assert [label.split(" ")[0] for label in filled] == ["Complete"]


async def test_only_one_start_is_filled(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    await offer_while_busy(staff, doctor, is_busy=False)
    page = await staff.open_page(doctor)
    assert len(await filled_buttons(page)) == 1
    await expect(page.locator(".group.next .primary")).to_have_count(1)

    await page.goto("/board")

    assert len(await filled_buttons(page)) == 1
    await expect(page.locator(".offer .primary")).to_have_count(1)


async def test_dialog_has_the_only_filled_button(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    page = await staff.open_page(doctor)
    complete = row_button(page, appointment, "Complete")
    assert await page.evaluate(FILLED) == [await complete.get_attribute("aria-label")]

    # A consultation that has just begun is completed after a question.
    await complete.click()
    question = page.get_by_role("alertdialog")
    await question.wait_for()
    assert await page.evaluate(FILLED) == ["Complete"]

    await question.get_by_role("button", name="Go back").click()
    await expect(question).to_have_count(0)
    assert await page.evaluate(FILLED) == [await complete.get_attribute("aria-label")]


async def test_new_walk_in_of_a_doctor_is_not_filled(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    page = await staff.open_page(doctor)

    await page.keyboard.press("/")
    await page.keyboard.type("Xyzzyx")
    await page.get_by_role("button", name="New walk-in").wait_for()

    filled = await page.evaluate(FILLED)
    assert [label.split(" ")[0] for label in filled] == ["Complete"]


async def test_undo_of_a_notice_is_not_filled(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor)
    page = await staff.open_page(doctor)
    await row_button(page, appointment, "Start").click()
    await expect(row(page, appointment).get_by_role("button", name="Complete").first).to_have_attribute(
        "aria-disabled", "false"
    )
    await expect(notices(page).get_by_role("button", name="Undo")).to_be_visible()

    filled = await page.evaluate(FILLED)

    assert [label.split(" ")[0] for label in filled] == ["Complete"]
