"""Turns rounds into a table of ratios with their spread; it must not measure anything."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import ceil
from statistics import median

from bench.workload import Measured
from patient_visit_engine.runtime import dev_server

PACKAGES = ("temporalio", "fastapi", "uvicorn", "sqlalchemy", "pydantic")
#: What the engine may cost, as a multiple of the floor: the median call, and the pairs a second.
AIMS = {
    "start, fresh patient": "<= 1.3",
    "start, known patient": "<= 1.3",
    "start, blocked": "<= 1.5",
    "complete": "<= 1.3",
}
PAIRS_AIM = ">= 0.75"
HEADINGS = ("", "floor", "engine", "ratio", "least", "most", "aim")


@dataclass(frozen=True)
class Line:
    """One figure: the medians over all rounds, and engine over floor, round by round."""

    name: str
    floor: float
    engine: float
    ratios: tuple[float, ...]
    aim: str

    def cells(self) -> tuple[str, ...]:
        ratios = (median(self.ratios), min(self.ratios), max(self.ratios))
        return (self.name, f"{self.floor:.1f}", f"{self.engine:.1f}", *(f"{ratio:.2f}" for ratio in ratios), self.aim)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not less than this share of them."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def figures(measured: Measured) -> dict[str, float]:
    """One round's figures by name: milliseconds at the 50th and the 99th percentile, pairs a second, computing time."""
    found: dict[str, float] = {}
    for what in AIMS:
        for share in (0.50, 0.99):
            found[f"{what}, p{share * 100:.0f} ms"] = 1000 * percentile(measured.seconds[what], share)
    for whose, rate in measured.pairs_per_second.items():
        found[f"pairs/s, {whose}"] = rate
    for process, seconds in measured.computed_a_pair.items():
        found[f"{process}, CPU ms a pair"] = 1000 * seconds
    return found


def compare(floor: Sequence[Measured], engine: Sequence[Measured]) -> list[Line]:
    """The table's lines; round by round, since a machine's mood lasts longer than a round."""
    floors, engines = [figures(one) for one in floor], [figures(one) for one in engine]
    return [
        Line(
            name,
            median(one[name] for one in floors),
            median(one[name] for one in engines),
            tuple(above[name] / below[name] for below, above in zip(floors, engines, strict=True)),
            _aim(name),
        )
        for name in floors[0]
    ]


def _aim(name: str) -> str:
    if name.startswith("pairs/s"):
        return PAIRS_AIM
    what, _, share = name.rpartition(", ")
    return AIMS.get(what, "") if share.startswith("p50") else ""


def table(lines: Sequence[Line]) -> str:
    """The lines under their headings, as Markdown."""
    return markdown([HEADINGS, *(line.cells() for line in lines)])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table, the first one its headings, figures to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    shown = [rows[0], rule, *rows[1:]]
    return "\n".join(
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in shown
    )


def machine() -> str:
    """What it was measured on."""
    server = subprocess.run([dev_server.executable(), "--version"], capture_output=True, text=True, check=True)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), {platform.system()} {platform.release()}; "
            f"load before the first round {os.getloadavg()[0]:.1f}",
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}",
            server.stdout.strip(),
        ]
    )
