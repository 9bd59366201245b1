"""The scaling benchmark: the patient-day has its number of decisions, the slopes are right, and the charts are valid SVG."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.scale.__main__ import Snapshot, added_per_day
from bench.scale.chart import draw_charts
from bench.scale.measurements import GROWING_TABLES, TableSizes
from bench.scale.patient_day import DECISIONS, PatientDay, perform_day

SVG = "{http://www.w3.org/2000/svg}"


def build_snapshot(days: int) -> Snapshot:
    rows, sizes = dict.fromkeys(GROWING_TABLES, 2 * days), dict.fromkeys(GROWING_TABLES, 1000 * days + 500)
    return Snapshot(days, TableSizes(rows, sizes), {"api": 0.07 * days}, 1.0, days, 5_000 * days, 4.0, 2.0)


async def test_patient_day_sends_one_request_per_decision() -> None:
    requests: list[tuple[int | None, str]] = []

    async def send(doctor: int | None, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        requests.append((doctor, path))
        return {"id": f"consultation-{len(requests)}"}

    await perform_day(PatientDay(1, (11, 12, 13), (1, 2, 3)), send)

    assert len(requests) == DECISIONS
    assert (3, "/api/consultations/consultation-6/complete") in requests


def test_added_per_day_is_the_slope() -> None:
    added = added_per_day([build_snapshot(days) for days in (5, 30, 80)])

    assert added["rows in timeline"] == pytest.approx(2)
    assert added["bytes of events"] == pytest.approx(1000)
    assert added["CPU ms, api"] == pytest.approx(70)
    assert added["ms for the board"] == pytest.approx(0)


def test_charts_have_one_line_with_all_points(tmp_path: Path) -> None:
    target = tmp_path / "pictures" / "charts.svg"

    draw_charts(target, "patient-days", [0, 400, 800], {"rows": [0, 20_000, 40_000], "bytes & more": [1, 2, 3]})

    svg = ElementTree.parse(target).getroot()
    points = [line.attrib["points"] for line in svg.iter(f"{SVG}polyline")]
    texts = [text.text for text in svg.iter(f"{SVG}text")]
    assert points[0] == "0.0,130.0 140.0,65.0 280.0,0.0"
    assert [len(line.split()) for line in points] == [3, 3]
    assert {"rows", "bytes & more", "40,000", "800", "patient-days"} <= set(texts)
