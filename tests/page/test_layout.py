"""The header, the notices and the lists have their place at every width."""

import json
import re
from math import ceil
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from tests.support.desk_page import wait_until_seen
from tests.support.page_site import StaffPages, notices, row
from tests.support.scene import Scene

ENGLISH = Path(__file__).parent.parent.parent / "web" / "page" / "src" / "messages" / "en.json"

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


async def test_several_notices_under_a_pointer_cover_no_button(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    ids = [(await staff.new_patient(doctor, arrived=False))[1][0] for _ in range(3)]
    desk = await staff.open_page("reception", "/desk", reduced_motion="reduce")
    front = desk.locator("[data-sonner-toast][data-front=true]")
    # A notice stays while the pointer is on it.
    for number, appointment in enumerate(ids, start=1):
        await row(desk, appointment).get_by_role("button", name="Check in").click()
        await expect(notices(desk)).to_have_count(number)
        await front.hover()
    await expect(front).to_have_attribute("data-expanded", "true")

    assert await covered_buttons(desk) == {}
    # The keyboard does not reach the ones behind.
    behind = desk.locator("[data-sonner-toast][data-front=false]").get_by_role("button", include_hidden=True)
    await expect(behind.first).to_be_attached()
    await expect(behind.filter(visible=True)).to_have_count(0)
    # The ones behind come when the first is closed.
    await front.get_by_role("button", name="Close").click()
    await expect(notices(desk)).to_have_count(2)
    await expect(front.get_by_role("button", name="Undo")).to_be_visible()


async def test_focus_stays_in_the_navigation_when_it_becomes_a_menu(staff: StaffPages) -> None:
    page = await staff.open_page("supervisor", "/board")
    navigation = page.get_by_role("navigation", name="Pages")
    await navigation.get_by_role("link", name="Report").focus()

    await page.set_viewport_size({"width": 390, "height": 800})
    await expect(navigation.get_by_role("button", name="Board")).to_be_focused()
    await page.set_viewport_size({"width": 1280, "height": 800})

    await expect(navigation.get_by_role("link", name="Board")).to_be_focused()


async def test_close_button_of_a_notice_fits_a_finger(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    _, (appointment,) = await staff.new_patient(doctor, arrived=False)
    phone = {"width": 390, "height": 800}
    desk = await staff.open_page("reception", "/desk", has_touch=True, is_mobile=True, viewport=phone)
    await row(desk, appointment).get_by_role("button", name="Check in").click()
    await notices(desk).wait_for()

    for name in ("Close", "Undo"):
        box = await notices(desk).get_by_role("button", name=name).bounding_box()
        assert box is not None
        # The place of a box on the screen makes its size inexact by a millionth.
        assert round(min(box["width"], box["height"]), 3) >= 44, name


async def test_heads_of_hidden_parts_fit_a_finger(staff: StaffPages) -> None:
    doctor = staff.new_doctor()
    patient, (appointment,) = await staff.new_patient(doctor)
    started = await staff.engine.start(doctor, patient, appointment)
    assert (await staff.engine.complete(doctor, started.json()["id"])).status_code == 200
    phone = {"width": 390, "height": 800}
    for user, path, opened in (
        (doctor, "/worklist", {".more": "Filter", ".group-name": "Done"}),
        ("supervisor", "/report", {".waits": "table"}),
        ("reception", "/desk", {".names": "Correct the name"}),
    ):
        page = await staff.open_page(user, path, has_touch=True, is_mobile=True, viewport=phone)
        if path == "/desk":
            await page.keyboard.type("Xyzzyx")
            await wait_until_seen(page)
            await page.get_by_role("button", name="New walk-in").click()
        for selector, words in opened.items():
            head = page.locator(f"{selector} summary, summary{selector}").filter(has_text=words)
            box = await head.bounding_box()
            assert box is not None
            # The place of a box on the screen makes its size inexact by a millionth.
            assert round(box["height"], 3) >= 44, selector


def lengthen(messages: Any) -> Any:
    """The messages in a language whose words are 40 % longer. The values in braces stay."""
    if isinstance(messages, dict):
        return {key: lengthen(value) for key, value in messages.items()}
    return re.sub(r"(\{\w+\})|([^\W\d_]+)", lambda word: word[1] or word[2] + "o" * ceil(0.4 * len(word[2])), messages)


async def speak_long_words(page: Page) -> None:
    """Replace the English messages of the loaded page. It ships only real languages."""
    await page.evaluate(
        """messages => {
            const { provides } = document.querySelector("#page").__vue_app__._context;
            const values = Object.getOwnPropertySymbols(provides).map(symbol => provides[symbol]);
            values.find(value => value?.global?.setLocaleMessage).global.setLocaleMessage("en", messages);
        }""",
        lengthen(json.loads(ENGLISH.read_text())),
    )


#: What is wrong with the header: more than one line, too wide, or a part outside of it.
HEADER = """() => {
    const header = document.querySelector("header.top, header");
    const { bottom, right, height } = header.getBoundingClientRect();
    const parts = [...header.querySelectorAll("a, button, .light")].map(e => e.getBoundingClientRect());
    return [
        height > 62 && `is ${height} high`,
        header.scrollWidth > header.clientWidth && "is too wide",
        parts.some(part => part.bottom > bottom || part.right > right) && "has a part outside",
        parts.some(part => parts.some(o => o !== part && o.left < part.left && o.right > part.left + 1)) && "has parts on each other",
        document.documentElement.scrollWidth > document.documentElement.clientWidth && "is on a page that is too wide",
    ].filter(Boolean);
}"""


async def test_longer_words_break_no_header(scene: Scene) -> None:
    problems: list[str] = []
    async for user, path, page in scene.open_every_page(locale="en-GB"):
        # The screens on a wall have another header.
        if user == "wall" or path == "/wall":
            continue
        for language in ("English", "long words"):
            if language != "English":
                await speak_long_words(page)
                await expect(page).to_have_title(re.compile("visitsoo"))
            for width in WIDTHS:
                await page.set_viewport_size({"width": width, "height": 800})
                await page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
                problems += [f"{path} of {user} at {width}, {language}: {text}" for text in await page.evaluate(HEADER)]

    assert problems == []
