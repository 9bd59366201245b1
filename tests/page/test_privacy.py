"""No page gives away a patient's name, and no page runs foreign code."""

from playwright.async_api import expect

from tests.support.page_site import StaffPages, card, row_button
from tests.support.scene import UNKNOWN_VIEW, Scene

#: A screen on which the patients of all tests fit.
WHOLE_HOUSE = {"width": 1920, "height": 8000}


async def test_wall_shows_initials_and_marks_changes(scene: Scene) -> None:
    wall = await scene.open_page("supervisor", "/wall", reduced_motion="reduce", viewport=WHOLE_HOUSE)
    await expect(card(wall, scene.patient)).to_contain_text("J. D.")
    assert "doe" not in (await wall.locator("body").inner_text()).casefold()
    await expect(card(wall, scene.patient)).not_to_have_class("marked")

    page = await scene.staff.open_page(scene.doctor)
    await row_button(page, scene.appointment, "+15 min").click()

    await expect(wall.locator(f"[data-patient='{scene.patient}'].marked").first).to_be_visible()
    animation = await card(wall, scene.patient).evaluate("element => getComputedStyle(element).animationName")
    assert animation == "none"
    await expect(wall.locator(".marked")).to_have_count(0)


async def test_wall_does_not_show_a_doctors_notices(staff: StaffPages) -> None:
    first, second = staff.new_doctor(), staff.new_doctor()
    patient, (first_appointment, second_appointment) = await staff.new_patient(first, second)
    wall = await staff.open_page(second, "/wall", viewport=WHOLE_HOUSE)

    assert (await staff.engine.start(first, patient, first_appointment)).status_code == 201
    assert (await staff.engine.start(second, patient, second_appointment)).status_code == 409
    await card(wall, patient).wait_for()

    assert f"doe{patient}" not in (await wall.locator("body").inner_text()).casefold()


async def test_names_stay_out_of_title_storage_and_log(scene: Scene) -> None:
    messages: list[str] = []
    async for _, path, page in scene.open_every_page():
        page.on("console", lambda message: messages.append(message.text))
        if path != UNKNOWN_VIEW:
            await page.reload()
        await page.locator("h1").wait_for()
        stored = await page.evaluate(
            "JSON.stringify([document.title, location.href, {...localStorage}, {...sessionStorage}])"
        )
        assert "Doe" not in stored, stored
        assert "John" not in stored, stored
    assert [text for text in messages if "Doe" in text] == []


async def test_policy_blocks_inline_code_on_every_page(scene: Scene) -> None:
    async for _, _, page in scene.open_every_page():
        violations: list[str] = await page.evaluate(
            """() => new Promise(done => {
                const directives = [];
                document.addEventListener("securitypolicyviolation", event => {
                    directives.push(event.effectiveDirective);
                    if (directives.length === 2) done(directives);
                });
                const script = document.createElement("script");
                script.textContent = "globalThis.ran = true";
                document.body.append(script);
                const style = document.createElement("style");
                style.textContent = "body { color: red }";
                document.body.append(style);
            })"""
        )
        assert {directive.removesuffix("-elem") for directive in violations} == {"script-src", "style-src"}
        assert await page.evaluate("globalThis.ran") is None
    # The browsers log these two violations as errors. A violation by the page itself would fail all other tests.
    errors = scene.staff.browser_errors
    errors[:] = [error for error in errors if "Content Security Policy" not in error]
