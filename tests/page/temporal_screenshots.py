"""Takes the pictures of `docs/temporal-ui.md`: Temporal's UI of a server with visits in each state.

Run as `python -m tests.page.temporal_screenshots`. The server is the one of `visit-engine up`.
"""

import asyncio
import tempfile
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from playwright.async_api import FloatRect, Page, ViewportSize

from patient_visit_engine.runtime import dev_server, namespace
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage import migrations
from tests.page.screenshots import PICTURES
from tests.support.chromium import launch_chromium
from tests.support.operator_scene import AWAITED, open_scene
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess

SIZE = ViewportSize(width=1400, height=900)
#: The part of the list that is not empty.
TOP = FloatRect(x=0, y=0, width=SIZE["width"], height=420)
ZONE = ZoneInfo("Europe/Paris")
WHO_WAITS = "WaitingCount > 0 AND ExecutionStatus = 'Running'"
STUCK = "TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'"


async def take_screenshots(page: Page, workflows: str, visit_id: str) -> None:
    """`workflows` is the address of the list of workflows, and `visit_id` the visit to show."""
    for name, query in (("queries", WHO_WAITS), ("stuck", STUCK)):
        await page.goto(f"{workflows}?query={quote(query)}")
        await page.get_by_text("PatientVisit").first.wait_for()
        await page.screenshot(path=PICTURES / f"temporal-{name}.png", clip=TOP)
    await page.goto(f"{workflows}?query={quote(f'WorkflowId = {visit_id!r}')}")
    await page.get_by_role("link", name=visit_id).click()
    await page.locator("text=reminder to doctor >> visible=true").first.wait_for()
    await page.get_by_text("Hide idle time").scroll_into_view_if_needed()
    await page.mouse.wheel(0, SIZE["height"])
    await page.locator("text=start_consultation >> visible=true").first.wait_for()
    await page.screenshot(path=PICTURES / "temporal-timeline.png")
    await page.get_by_text("User Metadata").click()
    # The UI shows Markdown in frames. The details are in the last one.
    await page.locator("iframe").last.content_frame.get_by_text("Next timer").wait_for()
    await page.screenshot(path=PICTURES / "temporal-visit.png")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="visit-pictures-") as name:
        folder = Path(name)
        settings = Settings(_env_file=None, data_dir=folder, temporal_port=free_port(), ui_port=free_port())
        schema = folder / "schema.db"
        await asyncio.to_thread(migrations.upgrade, f"sqlite+aiosqlite:///{schema}")
        server = SpawnedProcess("temporal", dev_server.server_command(settings), {}, folder)
        server.start()
        try:
            client = await namespace.prepare(settings)
            async with open_scene(client, schema, folder, ZONE) as visits, launch_chromium() as browser:
                page = await browser.new_page(viewport=SIZE, locale="en-GB", timezone_id="Europe/Paris")
                workflows = f"http://127.0.0.1:{settings.ui_port}/namespaces/{settings.temporal_namespace}/workflows"
                await take_screenshots(page, workflows, visits[AWAITED])
        finally:
            await asyncio.to_thread(server.kill)


if __name__ == "__main__":
    asyncio.run(main())
