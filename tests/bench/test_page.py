"""The benchmark of the page, with a short board."""

from pathlib import Path

from bench.page import measure
from tests.support.chromium import launch_chromium


async def test_each_round_loads_the_page_and_changes_a_card(tmp_path: Path) -> None:
    async with launch_chromium() as browser:
        results = await measure(browser, tmp_path, rows=3, rounds=2)

    assert [len(values) for values in results.values()] == [2, 2, 2, 2, 2, 2]
    assert min(results["first rows s"] + results["changed after ms"]) > 0
    # A press is answered in the next frame at the earliest.
    assert min(results["cards hidden ms"] + results["cards shown ms"]) > 0
    assert min(results["over the wire KB"]) > 50
