"""Runs batches of patient-days against the whole system on PostgreSQL and prints the slopes; it must not say what they mean."""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import linear_regression

from bench.scale.day import DECISIONS, Day, live
from bench.scale.house import House
from bench.scale.meters import KEPT, Stock, computing, histories, milliseconds, stock, with_children
from bench.scale.picture import draw
from patient_visit_engine.runtime import temporal
from patient_visit_engine.storage.screens.board import BoardFilter, read_board
from patient_visit_engine.storage.screens.worklist import WorklistFilter, read_worklist
from patient_visit_engine.visit.calendar import local_day
from tests.support.postgres import ThrowawayPostgres

BATCHES = (25, 50, 100, 200, 400)
AT_ONCE = 16


@dataclass(frozen=True)
class Point:
    """What was found after so many patient-days in all; times of one batch by process, in seconds of computing."""

    days: int
    stock: Stock
    cpu: dict[str, float]
    seconds: float
    done: int
    temporal_bytes: int
    worklist_ms: float
    board_ms: float


async def batch(house: House, days: Sequence[Day]) -> float:
    """Live these days, so many at once; how long all took."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(day: Day) -> None:
        async with turns:
            await live(day, await house.asking(day))

    began = time.perf_counter()
    await asyncio.gather(*(one(day) for day in days))
    return time.perf_counter() - began


async def measure(house: House, postmaster: int, batches: Sequence[int]) -> tuple[list[Point], tuple[float, float]]:
    await house.open()
    hospital = house.hospital
    client = await temporal.connect(hospital.settings)
    days = list(await house.admit(5))
    await batch(house, days)
    points = [await look(house, postmaster, len(days), 0.0, 0)]
    for size in batches:
        new = await house.admit(size)
        seconds = await batch(house, new)
        days += new
        points.append(await look(house, postmaster, len(days), seconds, size))
    return points, await histories(client, hospital.settings, days[-50:])


async def look(house: House, postmaster: int, days: int, seconds: float, done: int) -> Point:
    hospital = house.hospital
    now = datetime.now(UTC)
    today = local_day(now, hospital.settings.zone)
    list_of_one = WorklistFilter(
        today, now - timedelta(hours=12), now + timedelta(hours=12), today, now, 1, 50, 3, asking_doctor=3
    )
    files = sum(one.stat().st_size for one in hospital.folder.rglob("temporal*") if one.is_file())
    cpu = {
        "api": computing(pid for part, _url in house.apis for pid in tree(part.process)),
        "worker": computing(pid for part in house.workers for pid in tree(part.process)),
        "temporal": computing(tree(hospital.temporal.process)),
        "postgres": computing(with_children(postmaster)),
    }
    return Point(
        days=days,
        stock=await stock(hospital.database),
        cpu=cpu,
        seconds=seconds,
        done=done,
        temporal_bytes=files,
        worklist_ms=await milliseconds(hospital.database, read_worklist, list_of_one),
        board_ms=await milliseconds(hospital.database, read_board, BoardFilter(today, now)),
    )


def tree(process: object) -> list[int]:
    pid = getattr(process, "pid", None)
    return [] if pid is None else with_children(pid)


def slopes(points: Sequence[Point]) -> dict[str, float]:
    """What one more patient-day adds."""
    at = [float(point.days) for point in points]

    def slope(values: Sequence[float]) -> float:
        return linear_regression(at, values).slope

    found = {f"rows in {name}": slope([point.stock.rows[name] for point in points]) for name in KEPT}
    found |= {f"bytes of {name}": slope([point.stock.bytes[name] for point in points]) for name in KEPT}
    found["bytes of Temporal's database"] = slope([point.temporal_bytes for point in points])
    for name in points[0].cpu:
        found[f"ms of computing, {name}"] = 1000 * slope([point.cpu[name] for point in points])
    found["ms for a worklist of 50"] = slope([point.worklist_ms for point in points])
    found["ms for the board"] = slope([point.board_ms for point in points])
    return found


def tell(points: Sequence[Point], history: tuple[float, float]) -> None:
    print(
        f"one patient-day: {DECISIONS} decisions; {points[-1].days} of them, {AT_ONCE} at once, on {os.cpu_count()} cores"
    )
    print(f"{'a visit, history events':34} {history[0]:12.1f}")
    print(f"{'a visit, history bytes':34} {history[1]:12.0f}")
    for name, value in slopes(points).items():
        print(f"{name:34} {value:12.3f}")
    for before, after in pairwise(points):
        speed = after.done * DECISIONS / after.seconds
        print(
            f"{before.days:6} to {after.days:6} days: {speed:6.1f} decisions/s; then worklist {after.worklist_ms:.2f} ms, "
            f"board {after.board_ms:.2f} ms"
        )


async def main(processes: int, batches: Sequence[int], picture: Path | None) -> None:
    if reason := ThrowawayPostgres.why_not():
        raise SystemExit(reason)
    server = ThrowawayPostgres("-c max_connections=300")
    server.open()
    with tempfile.TemporaryDirectory(prefix="visit-scale-") as folder:
        house = House(Path(folder), f"{server.url}/postgres", processes)
        try:
            points, history = await measure(house, server.postmaster, batches)
        finally:
            await house.close()
            server.close()
    tell(points, history)
    if picture is not None:
        lines = {
            "rows in all": [sum(point.stock.rows[name] for name in KEPT) for point in points],
            "database, KB": [sum(point.stock.bytes[name] for name in KEPT) / 1000 for point in points],
            "Temporal's database, KB": [point.temporal_bytes / 1000 for point in points],
            "computing, ms": [1000 * sum(point.cpu.values()) for point in points],
        }
        draw(picture, [point.days for point in points], lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="workers, and APIs, each")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES), help="patient-days in each batch")
    parser.add_argument("--picture", type=Path, help="where to draw the slopes, as SVG")
    given = parser.parse_args()
    asyncio.run(main(given.processes, given.batches, given.picture))
