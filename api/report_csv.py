"""The report of a day as CSV, for callers whose `Accept` prefers it."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from patient_visit_engine.wire.reports import DayReport, Figures

CSV = "text/csv"
AS_CSV = frozenset({CSV, "text/*"})
AS_JSON = frozenset({"application/json", "application/*", "*/*"})
#: A spreadsheet program would run a cell that begins like this as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
FIGURES = tuple(name for name in Figures.__annotations__ if name != "waits")


def prefers_csv(accept: str) -> bool:
    """Whether the header `Accept` asks for CSV rather than for JSON, which is the default."""
    for media_range in sorted(accept.split(","), key=_quality, reverse=True):
        media_type = media_range.partition(";")[0].strip().lower()
        if not _quality(media_range):
            return False
        if media_type in AS_CSV | AS_JSON:
            return media_type in AS_CSV
    return False


def _quality(media_range: str) -> float:
    """The `q` of a part of `Accept`. One that cannot be read counts as zero."""
    for parameter in media_range.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            value = value.strip()
            return float(value) if value.replace(".", "", 1).isdecimal() else 0
    return 1


def report_csv(report: DayReport) -> str:
    """One line for each doctor, and a last one for all. The line of the total has no `doctor_id`."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerows(_lines(report))
    return text.getvalue()


def _lines(report: DayReport) -> Iterator[list[Any]]:
    steps = [f"waits_{step['from_minutes']}" for step in report["total"]["waits"]]
    yield ["date", "doctor_id", "doctor", *FIGURES, *steps]
    for figures in report["doctors"]:
        yield [report["date"], figures["doctor_id"], defused(figures["doctor"]), *_cells(figures)]
    yield [report["date"], None, "total", *_cells(report["total"])]


def _cells(figures: Figures) -> list[Any]:
    values: dict[str, Any] = {**figures}
    return [*(values[name] for name in FIGURES), *(step["count"] for step in figures["waits"])]


def defused(text: str) -> str:
    """The text as a cell that no spreadsheet program runs."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
