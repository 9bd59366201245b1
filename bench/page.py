"""`python -m bench.page` measures how fast the page loads and how smooth it stays with 300 rows, in a real browser.

It prints the median of the rounds, with the least and the most:

- the seconds from opening the address to the first rows, and the kilobytes transferred for that,
- with 300 patients on the board: the milliseconds from the response of a start to the changed card,
- the longest time that one task kept the page busy in between,
- the milliseconds from a press that hides all cards, or shows them again, to the frame with the result.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.async_api import Browser, CDPSession, Page, expect

from tests.support.chromium import launch_chromium
from tests.support.engine import Engine
from tests.support.page_site import PageSite, StaffPages, card

ROWS = 300
#: Collects the durations in milliseconds of the browser's long tasks, which keep the main thread busy for 50 ms or longer.
OBSERVE_LONG_TASKS = """globalThis.longTasks = [];
new PerformanceObserver(list => longTasks.push(...list.getEntries().map(entry => entry.duration))).observe({ type: "longtask" });"""

#: Presses the element, and returns the milliseconds until so many cards have been painted. A frame takes 16.7 of them.
PRESS = """async (element, cards) => {
    const nextFrame = () => new Promise(requestAnimationFrame);
    await nextFrame();
    const start = performance.now();
    element.click();
    do await nextFrame(); while (document.querySelectorAll(".card").length !== cards);
    await new Promise(painted => {
        const channel = new MessageChannel();
        channel.port1.onmessage = painted;
        channel.port2.postMessage(null);
    });
    return performance.now() - start;
}"""

#: The values of all rounds by figure.
Results = dict[str, list[float]]


class TransferCounter:
    """Counts the bytes that a page loads over the network."""

    def __init__(self) -> None:
        self.bytes = 0.0

    async def watch(self, page: Page) -> None:
        session: CDPSession = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        session.on("Network.loadingFinished", self._add)

    def _add(self, event: dict[str, float]) -> None:
        self.bytes += event["encodedDataLength"]


async def measure_first_load(staff: StaffPages, doctor: int) -> tuple[float, float]:
    """Seconds to the first rows, and kilobytes, with an empty cache."""
    browser = await staff.open_browser(doctor)
    page, transfer = await browser.new_page(), TransferCounter()
    await transfer.watch(page)
    start = time.perf_counter()
    await page.goto("/worklist")
    await page.locator(".row").first.wait_for()
    seconds = time.perf_counter() - start
    await browser.close()
    return seconds, transfer.bytes / 1000


async def measure_change(
    staff: StaffPages, board: Page, patient: int, appointment: int, doctor: int
) -> tuple[float, float]:
    """Milliseconds from the response of a start to the changed card, and of the longest task in between."""
    await board.evaluate("longTasks.length = 0")
    assert (await staff.engine.start(doctor, patient, appointment)).status_code == 201
    start = time.perf_counter()
    await expect(card(board, patient)).to_contain_text(f"With Dr. {doctor}")
    milliseconds = (time.perf_counter() - start) * 1000
    return milliseconds, max(await board.evaluate("longTasks"), default=0.0)


async def measure_presses(board: Page, started: int, rows: int) -> tuple[float, float]:
    """Milliseconds until only the patients in consultation are shown, and until all of them are shown again."""
    states = board.locator(".statuses")
    fewer = await states.get_by_role("button", name="In consultation").evaluate(PRESS, started)
    return fewer, await states.get_by_role("button", name="All").evaluate(PRESS, rows)


async def measure(browser: Browser, folder: Path, rows: int, rounds: int) -> Results:
    """Start patients of a board of so many `rows`, one in each round. There must be more rows than rounds."""
    page_site = PageSite(Engine(folder), browser)
    await page_site.open()
    staff = StaffPages(page_site)
    try:
        doctor = staff.new_doctor()
        patients = [await staff.new_patient(doctor) for _ in range(rows)]
        results: Results = {
            "first rows s": [],
            "over the wire KB": [],
            "changed after ms": [],
            "longest task ms": [],
            "cards hidden ms": [],
            "cards shown ms": [],
        }
        board = await staff.open_page("reception", "/board")
        await board.evaluate(OBSERVE_LONG_TASKS)
        await expect(board.locator(".card")).to_have_count(rows)
        for started, (patient, (appointment,)) in enumerate(patients[:rounds], 1):
            first_load = await measure_first_load(staff, doctor)
            change = await measure_change(staff, board, patient, appointment, doctor)
            presses = await measure_presses(board, started, rows)
            for name, value in zip(results, (*first_load, *change, *presses), strict=True):
                results[name].append(value)
        return results
    finally:
        await staff.close()
        await page_site.engine.close()


async def main(rounds: int) -> None:
    async with launch_chromium() as browser:
        with tempfile.TemporaryDirectory(prefix="visit-page-") as folder:
            results = await measure(browser, Path(folder), ROWS, rounds)
    print(f"{ROWS} patients on the board, {rounds} rounds")
    for name, values in results.items():
        print(f"{name:20} {median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    asyncio.run(main(parser.parse_args().rounds))
