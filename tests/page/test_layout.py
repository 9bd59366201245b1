"""The header, the notices and the lists have their place at every width."""

from playwright.async_api import Page, expect

from tests.support.page_site import StaffPages, notices, row

WIDTHS = (320, 390, 768, 1280, 1920)
#: The buttons, links and fields outside of the notices that a notice covers.
COVERED = """() => {
    const boxes = [...document.querySelectorAll("[data-sonner-toast][data-visible=true]")].map(e => e.getBoundingClientRect());
    const covers = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    return [...document.querySelectorAll("a, button, input, select, summary")]
        .filter(e => !e.closest("[data-sonner-toaster], .skip") && e.checkVisibility({ contentVisibilityAuto: true }))
        .filter(e => boxes.some(box => covers(box, e.getBoundingClientRect())))
        // What has scrolled under the line of the notices cannot be pressed either.
        .filter(e => { const { left, right, top, bottom } = e.getBoundingClientRect();
            for (const notice of document.querySelectorAll("[data-sonner-toaster]")) notice.hidden = true;
            const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
            for (const notice of document.querySelectorAll("[data-sonner-toaster]")) notice.hidden = false;
            return hit !== null && (e.contains(hit) || hit.contains(e)); })
        .map(e => e.ariaLabel ?? e.innerText);
}"""


async def covered_buttons(page: Page) -> dict[str, list[str]]:
    """What the notices cover at each width, at the top of the page and in the middle of it."""
    covered: dict[str, list[str]] = {}
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 700})
        for part in ("top", "middle"):
            await page.evaluate(f"scrollTo(0, {'0' if part == 'top' else '400'})")
            # The notice may still slide to its place.
            await page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")
            labels: list[str] = await page.evaluate(COVERED)
            if labels:
                covered[f"{width} {part}"] = labels
    return covered


async def test_notice_covers_neither_search_nor_button(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    ids = [(await staff.new_patient(doctor, arrived=False))[1][0] for _ in range(12)]
    desk = await staff.open_page("reception", "/desk", reduced_motion="reduce")
    await row(desk, ids[0]).get_by_role("button", name="Check in").click()
    await expect(notices(desk)).to_contain_text("Checked in")
    # A notice stays while the pointer is on it.
    await notices(desk).hover()

    assert await covered_buttons(desk) == {}


async def test_close_button_of_a_notice_fits_a_finger(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor, arrived=False)
    options = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 800}}
    desk = await staff.open_page("reception", "/desk", **options)
    await row(desk, appointment).get_by_role("button", name="Check in").click()
    await notices(desk).wait_for()

    for name in ("Close", "Undo"):
        box = await notices(desk).get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, name
