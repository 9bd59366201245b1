"""Phones, wide screens, and a page at 400 %: nothing is cut, tiny or out of line."""

from playwright.async_api import Page, expect

from tests.support.page_site import StaffPages, complete, row, row_button
from tests.support.scene import Scene

PHONE = {"width": 390, "height": 844}
#: A window of 1280 x 1024 at 400 % zoom.
ZOOMED = {"width": 320, "height": 256}


async def left_edge(page: Page, selector: str) -> float:
    box = await page.locator(selector).first.bounding_box()
    assert box is not None
    return round(box["x"])


async def test_buttons_of_now_take_two_lines_on_a_phone(scene: Scene) -> None:
    page = await scene.open_page("doctor", "/worklist", viewport=PHONE, has_touch=True, is_mobile=True)
    buttons = await page.locator(".group.now .row .acts .button").all()
    boxes = [box for button in buttons if (box := await button.bounding_box())]
    state = await page.locator(".group.now .state").bounding_box()

    assert len(boxes) == 4
    assert len({round(box["y"]) for box in boxes}) == 2
    assert state is not None
    assert state["y"] + state["height"] <= min(box["y"] for box in boxes)


async def test_complete_stays_on_a_phone(staff: StaffPages) -> None:
    doctor, other_doctor = staff.new_doctor(), staff.new_doctor()
    patient, (appointment, waiting) = await staff.new_patient(doctor, other_doctor)
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    page = await staff.open_page(doctor, viewport=PHONE)
    button = row_button(page, appointment, "Complete")
    await expect(button).to_have_attribute("aria-disabled", "false")
    before = await button.bounding_box()

    async with staff.engine.staff("doctor", other_doctor) as client:
        assert (await client.post(f"/api/appointments/{waiting}/wait")).status_code == 200
    await expect(row(page, appointment)).to_contain_text("waits for this patient")

    assert await button.bounding_box() == before
    await complete(page, appointment)


async def test_tabs_do_not_scroll_sideways(staff: StaffPages) -> None:
    for user, path in (("reception", "/desk"), ("admin", "/admin")):
        page = await staff.open_page(user, path, viewport=PHONE)
        tabs = page.locator(".tabs")
        await tabs.wait_for()
        for width in (390, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await tabs.evaluate("tabs => tabs.scrollWidth <= tabs.clientWidth"), f"{path} at {width}"


async def test_head_of_the_board_is_whole_on_a_phone(scene: Scene) -> None:
    for locale in ("en-GB", "fr-FR"):
        page = await scene.open_page("supervisor", "/board", viewport=PHONE, locale=locale)
        await page.locator(".board .statuses").wait_for()
        for width in (390, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            scrolling = await page.evaluate(
                """() => [...document.querySelectorAll(".top, .top *, .board > :not(.columns), .board > :not(.columns) *")]
                    .filter(element => /auto|scroll/.test(getComputedStyle(element).overflowX))
                    .filter(element => element.scrollWidth > element.clientWidth)
                    .map(element => element.className)"""
            )
            assert scrolling == [], f"{locale} at {width}"
            edges = await page.locator(".board .chip").evaluate_all(
                "chips => chips.map(chip => chip.getBoundingClientRect().right)"
            )
            assert max(edges) <= width, f"{locale} at {width}"


async def test_header_stands_over_the_content(scene: Scene) -> None:
    for user, path in (("doctor", "/worklist"), ("supervisor", "/board")):
        page = await scene.open_page(user, path, viewport={"width": 1920, "height": 1080})
        assert await left_edge(page, ".brand") == await left_edge(page, "h1")
    # A wide board has room for a fifth lane.
    box = await page.locator(".board").bounding_box()
    assert box is not None
    assert box["width"] > 1800


async def test_dialog_uses_a_small_screen(staff: StaffPages) -> None:
    page = await staff.open_page("admin", "/admin?part=services", viewport=ZOOMED)
    await page.get_by_role("button", name="Add service").click()

    box = await page.get_by_role("dialog").bounding_box()

    assert box is not None
    assert box["height"] >= 220
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= ZOOMED["height"]


async def test_picture_of_the_day_is_readable_on_a_phone(scene: Scene) -> None:
    page = await scene.open_page("supervisor", "/patients/{patient}", viewport=PHONE)
    text = page.locator(".picture text").first
    assert await text.evaluate("text => text.getBoundingClientRect().height") >= 11
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
