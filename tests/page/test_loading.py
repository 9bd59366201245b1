"""The worklist loads with few bytes and without moving what is already shown."""

import json

from playwright.async_api import expect

from tests.support.page_site import complete, row
from tests.support.scene import Scene


async def test_worklist_loads_without_layout_shifts(scene: Scene) -> None:
    browser = await scene.staff.open_browser(scene.doctor)
    await browser.add_init_script(
        """globalThis.shifts = [];
        new PerformanceObserver(list => shifts.push(...list.getEntries().map(entry => [entry.value, entry.hadRecentInput,
            entry.sources.map(source => source.node?.className)]))).observe({ type: "layout-shift", buffered: true });"""
    )
    page = await browser.new_page()
    await page.goto("/worklist")
    await row(page, scene.appointment).wait_for()
    await complete(page, scene.appointment)
    await expect(row(page, scene.appointment)).to_contain_text("Done")

    shifts = json.loads(await page.evaluate("JSON.stringify(shifts)"))

    assert sum(value for value, *_ in shifts) < 0.01, shifts


async def test_first_load_is_small(scene: Scene) -> None:
    browser = await scene.staff.open_browser(scene.doctor)
    page = await browser.new_page()
    session = await browser.new_cdp_session(page)
    sizes: list[float] = []
    await session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))

    await page.goto("/worklist")
    await row(page, scene.appointment).wait_for()

    assert 20_000 < sum(sizes) < 200_000
