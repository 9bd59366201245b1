"""Every page is readable for everyone: axe's rules, both languages and themes, from a phone to a screen on a wall."""

from itertools import cycle
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from tests.support.page_site import StaffPages, choose_in_account, notices, row, row_button, wait_until_offline
from tests.support.scene import ADDRESSES, Scene

ROOT = Path(__file__).parent.parent.parent
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
#: WCAG 2.2 AA and axe's best practices.
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    # Otherwise axe describes each element that passed, which takes longer than the rules.
    "resultTypes": ["violations"],
}
#: A small and a large phone, a laptop's 1280 at 200 % zoom, a tablet, a laptop, and a screen on a wall.
WIDTHS = (320, 390, 640, 768, 1280, 1920)
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="axe: the web packages are not installed")


async def axe_violations(page: Page) -> list[str]:
    """The violations that axe reports, one line for each element."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    violations = await page.evaluate("async rules => (await axe.run(document, rules)).violations", RULES)
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in violations
        for node in violation["nodes"]
    ]


async def theme_violations(page: Page) -> list[str]:
    """The violations in the light and in the dark theme."""
    violations: list[str] = []
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme)
        violations += [f"{theme}: {line}" for line in await axe_violations(page)]
    return violations


async def is_too_wide(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@needs_axe
@pytest.mark.parametrize(
    ("locale", "themes", "widths"),
    [
        pytest.param("en-GB", THEMES, (320, 1280), id="phone and laptop"),
        pytest.param("en-GB", THEMES, WIDTHS, id="English", marks=pytest.mark.long),
        pytest.param("fr-FR", THEMES[::-1], WIDTHS, id="French", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize(("user", "path"), ADDRESSES)
async def test_every_view_follows_axe_rules(
    scene: Scene, user: str, path: str, locale: str, themes: tuple[Theme, ...], widths: tuple[int, ...]
) -> None:
    """The theme changes with the width, and at each width the other language has the other theme."""
    page = await scene.open_page(user, path, locale=locale, reduced_motion="reduce")
    problems: list[str] = []
    for width, theme in zip(widths, cycle(themes), strict=False):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=theme)
        where = f"at {width}, {theme}"
        problems += [f"{where}: {line}" for line in await axe_violations(page)]
        if await is_too_wide(page):
            problems.append(f"{where}: wider than the screen")

    assert problems == []


@needs_axe
async def test_dialogs_follow_axe_rules(scene: Scene) -> None:
    violations: dict[str, list[str]] = {}
    page = await scene.open_page("doctor", "/worklist")
    await page.keyboard.press("?")
    await page.get_by_role("dialog").wait_for()
    violations["keys"] = await theme_violations(page)
    board = await scene.open_page("supervisor", "/board")
    await board.get_by_role("button", name=f"End for the doctor: John Doe{scene.patient}").click()
    await board.get_by_role("dialog").wait_for()
    violations["release"] = await theme_violations(board)
    await board.keyboard.press("Escape")
    await board.locator(".lane-head").first.get_by_role("button", name="More for").click()
    await board.get_by_role("menuitem", name="Give the day to another doctor").click()
    await board.get_by_role("dialog").wait_for()
    violations["reassign all"] = await theme_violations(board)
    sign_in_page = await (await scene.staff.open_browser(None)).new_page()
    await sign_in_page.goto("/sign-in")
    await sign_in_page.get_by_label("Password").wait_for()
    violations["sign-in"] = await theme_violations(sign_in_page)

    assert {page_name: lines for page_name, lines in violations.items() if lines} == {}


@needs_axe
async def test_administration_follows_axe_rules(staff: StaffPages) -> None:
    # Axe looks at every element, so the filter leaves only a few of the hundreds of accounts.
    page = await staff.open_page("admin", "/admin")
    await page.get_by_placeholder("Filter this list").fill("supervisor")
    await expect(page.locator(".record")).to_have_count(1)
    violations = {"accounts": await theme_violations(page)}
    await page.get_by_role("button", name="Add account").click()
    await page.get_by_role("dialog").get_by_label("Role").select_option("doctor")
    violations["account"] = await theme_violations(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Account of").click()
    await page.get_by_role("menuitem", name="Change your password").click()
    await page.get_by_label("Old password").wait_for()
    violations["password"] = await theme_violations(page)

    assert {view: lines for view, lines in violations.items() if lines} == {}


@needs_axe
async def test_notices_and_offers_are_polite(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    started = await staff.engine.start(first, patient, first_appointment)
    # With reduced motion a notice has its final colours immediately.
    page = await staff.open_page(second, reduced_motion="reduce")
    await row_button(page, second_appointment, "Wait").click()
    await expect(row(page, second_appointment)).to_contain_text("you are 1st in line")
    await staff.engine.complete(first, started.json()["id"])
    await page.get_by_text("is free for you").wait_for()
    async with staff.engine.staff("doctor", second) as client:
        busy_patient, (busy_appointment, blocked_appointment) = await staff.new_patient(first, second)
        await staff.engine.start(first, busy_patient, busy_appointment)
        body = {"appointment_id": blocked_appointment, "patient_id": busy_patient, "doctor_id": second}
        assert (await client.post("/api/consultations", json=body)).status_code == 409
    await notices(page).wait_for()

    # A notice goes after some seconds, and axe may take longer.
    assert await notices(page).locator("xpath=ancestor::section").get_attribute("aria-live") == "polite"
    assert await axe_violations(page) == []
    assert await page.locator("aside.offers").get_attribute("aria-live") == "polite"


async def test_page_uses_browser_or_chosen_language(scene: Scene) -> None:
    page = await scene.staff.open_page(scene.doctor, "/worklist", locale="fr-FR")
    await expect(row(page, scene.appointment)).to_contain_text("En consultation avec vous")
    assert await page.evaluate("document.documentElement.lang") == "fr"

    await choose_in_account(page, "English")
    await expect(row(page, scene.appointment)).to_contain_text("In consultation with you")
    await page.reload()
    await expect(row(page, scene.appointment)).to_contain_text("In consultation with you")
    assert await page.evaluate("document.documentElement.lang") == "en"


@needs_axe
async def test_stale_rows_look_stale_and_stay_readable(scene: Scene) -> None:
    proxy = await scene.staff.start_proxy()
    page = await scene.staff.open_page(scene.doctor, "/worklist", base=proxy.url)
    background = "element => getComputedStyle(element).backgroundImage"
    live_background = await row(page, scene.appointment).evaluate(background)

    proxy.mode = "502"
    proxy.cut()
    await wait_until_offline(page)

    assert await row(page, scene.appointment).evaluate(background) != live_background
    assert (
        await page.locator(".group.now .rows").evaluate("element => getComputedStyle(element).filter") == "grayscale(1)"
    )
    assert await axe_violations(page) == []
