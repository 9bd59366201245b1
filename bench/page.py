"""How fast the page is there and how smooth it stays with 300 rows, in a real browser; it must not judge: machines differ.

Run as `python -m bench.page`. Prints, as median with least and most over the rounds: from asking for the address to the rows on screen,
how much came over the wire, and with 300 rows how long after a commit the row has changed and the longest that the page was busy at
one stretch meanwhile.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.async_api import Browser, CDPSession, Page, expect

from tests.support.chromium import launched
from tests.support.engine import Engine
from tests.support.page_site import PageSite, StaffPages, card

ROWS = 300
#: How long the browser's main thread may be held by one task before a frame is late, in milliseconds, by the browser's own measure.
BUSY = """globalThis.busy = [];
new PerformanceObserver(list => busy.push(...list.getEntries().map(one => one.duration))).observe({ type: "longtask" });"""


class Sizes:
    """What came over the wire since it was made."""

    def __init__(self) -> None:
        self.bytes = 0.0

    async def watch(self, page: Page) -> None:
        session: CDPSession = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        session.on("Network.loadingFinished", self._add)

    def _add(self, event: dict[str, float]) -> None:
        self.bytes += event["encodedDataLength"]


async def first_load(shift: StaffPages, doctor: int) -> tuple[float, float]:
    """Seconds to the rows, and kilobytes, with nothing in the cache."""
    context = await shift.browser(doctor)
    page, sizes = await context.new_page(), Sizes()
    await sizes.watch(page)
    began = time.perf_counter()
    await page.goto("/worklist")
    await page.locator(".row").first.wait_for()
    seconds = time.perf_counter() - began
    await context.close()
    return seconds, sizes.bytes / 1000


async def one_change(
    shift: StaffPages, board: Page, patient: int, appointment: int, doctor: int
) -> tuple[float, float]:
    """Milliseconds from the answer of a start to the card that shows it, and the longest task meanwhile."""
    await board.evaluate("busy.length = 0")
    assert (await shift.hospital.start(doctor, patient, appointment)).status_code == 201
    began = time.perf_counter()
    await expect(card(board, patient)).to_contain_text(f"With Dr. {doctor}")
    took = (time.perf_counter() - began) * 1000
    return took, max(await board.evaluate("busy"), default=0.0)


async def measure(browser: Browser, folder: Path, rounds: int) -> dict[str, list[float]]:
    ward = PageSite(Engine(folder), browser)
    await ward.open()
    shift = StaffPages(ward)
    try:
        doctor, patients = shift.doctor(), []
        for _ in range(ROWS):
            patient, (appointment,) = await shift.patient(doctor)
            patients.append((patient, appointment))
        async with ward.hospital.staff("reception") as desk:
            for _patient, appointment in patients:
                assert (await desk.post(f"/api/appointments/{appointment}/check-in")).status_code == 201
        found: dict[str, list[float]] = {
            "first rows s": [],
            "over the wire KB": [],
            "changed after ms": [],
            "longest task ms": [],
        }
        board = await shift.screen("reception", "/board")
        await board.evaluate(BUSY)
        await expect(board.locator(".card")).to_have_count(ROWS)
        for patient, appointment in patients[:rounds]:
            seconds, size = await first_load(shift, doctor)
            changed, longest = await one_change(shift, board, patient, appointment, doctor)
            for name, value in zip(found, (seconds, size, changed, longest), strict=True):
                found[name].append(value)
        return found
    finally:
        await shift.close()
        await ward.hospital.close()


async def main(rounds: int) -> None:
    async with launched() as browser:
        with tempfile.TemporaryDirectory(prefix="visit-page-") as folder:
            found = await measure(browser, Path(folder), rounds)
    print(f"{ROWS} patients on the board, {rounds} rounds")
    for name, values in found.items():
        print(f"{name:20} {median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    asyncio.run(main(parser.parse_args().rounds))
