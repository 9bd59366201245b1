"""Turns the results of the rounds into a Markdown table of ratios with their spread."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from bench.machine import describe_machine
from bench.workload import RoundResult
from patient_visit_engine.runtime import dev_server

PACKAGES = ("temporalio", "fastapi", "uvicorn", "sqlalchemy", "pydantic")
#: The aim of each call's median, as a multiple of the floor. A start in a visit that was opened ahead is compared with the floor's
#: start on a fresh patient.
CALL_AIMS = {
    "start, opened ahead": "<= 0.80",
    "start, fresh patient": "<= 0.95",
    "start, known patient": "<= 0.85",
    "start, blocked": "<= 0.95",
    "complete": "<= 0.85",
}
#: The aim of each call's 99th percentile.
P99_AIM = "<= 1.0"
#: The aims of the other figures.
OTHER_AIMS = {
    "pairs/s, opened ahead": ">= 1.0",
    "pairs/s, known patients": ">= 0.85",
    "worker, CPU ms a pair": "<= 1.25",
    "api, CPU ms a pair": "<= 1.6",
}
HEADINGS = ("", "floor", "engine", "ratio", "least", "most", "aim")


@dataclass(frozen=True)
class ReportLine:
    """One figure: its medians over all rounds, and the ratio of engine to floor in each round."""

    name: str
    floor: float
    engine: float
    ratios: tuple[float, ...]
    aim: str

    def cells(self) -> tuple[str, ...]:
        spread = (median(self.ratios), min(self.ratios), max(self.ratios))
        return (
            self.name,
            f"{self.floor:.1f}",
            f"{self.engine:.1f}",
            *(f"{ratio:.2f}" for ratio in spread),
            self.aim,
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is at least as large as this share (0 to 1) of the values."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def round_figures(result: RoundResult) -> dict[str, float]:
    """The figures of one round by name: p50 and p99 in milliseconds, pairs a second, CPU milliseconds a pair."""
    figures: dict[str, float] = {}
    for call in CALL_AIMS:
        for share in (0.50, 0.99):
            figures[f"{call}, p{share * 100:.0f} ms"] = 1000 * percentile(result.call_seconds[call], share)
    for patients, rate in result.pairs_per_second.items():
        figures[f"pairs/s, {patients}"] = rate
    for process, seconds in result.cpu_seconds_per_pair.items():
        figures[f"{process}, CPU ms a pair"] = 1000 * seconds
    return figures


def compare_rounds(floor: Sequence[RoundResult], engine: Sequence[RoundResult]) -> list[ReportLine]:
    """The lines of the table.

    Ratios are taken round by round, because a slow phase of the machine lasts longer than a round.
    """
    floor_rounds = [round_figures(result) for result in floor]
    engine_rounds = [round_figures(result) for result in engine]
    return [
        ReportLine(
            name,
            median(figures[name] for figures in floor_rounds),
            median(figures[name] for figures in engine_rounds),
            tuple(above[name] / below[name] for below, above in zip(floor_rounds, engine_rounds, strict=True)),
            _aim(name),
        )
        for name in floor_rounds[0]
    ]


def _aim(name: str) -> str:
    call, _, share = name.rpartition(", ")
    if call in CALL_AIMS:
        return CALL_AIMS[call] if share.startswith("p50") else P99_AIM
    return OTHER_AIMS.get(name, "")


def describe_openings(rounds: Sequence[RoundResult]) -> str:
    """The CPU time of one visit that is opened ahead, which no figure of the table contains."""
    openings = [result.cpu_seconds_per_opening for result in rounds]
    costs = [f"{name} {1000 * median(opening[name] for opening in openings):.1f}" for name in openings[0]]
    return f"opening a visit ahead, CPU ms: {', '.join(costs)}"


def ratio_table(lines: Sequence[ReportLine]) -> str:
    """The lines under their headings, as Markdown."""
    return markdown_table([HEADINGS, *(line.cells() for line in lines)])


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table. The first row has the headings, and figures are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [rows[0], rule, *rows[1:]]
    return "\n".join(
        "| " + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) + " |" for line in lines
    )


def describe_software() -> str:
    """This machine, and the version of Temporal's development server."""
    server = subprocess.run([dev_server.executable(), "--version"], capture_output=True, text=True, check=True)
    return f"{describe_machine(PACKAGES)}\n{server.stdout.strip()}"
