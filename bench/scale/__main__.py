"""`python -m bench.scale` runs batches of patient-days on PostgreSQL and prints what one more patient-day adds."""

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

from bench.scale.chart import draw_charts
from bench.scale.measured_system import MeasuredSystem
from bench.scale.measurements import (
    GROWING_TABLES,
    TableSizes,
    average_history,
    fastest_read_ms,
    read_table_sizes,
    total_cpu_seconds,
    with_descendants,
)
from bench.scale.patient_day import DECISIONS, PatientDay, perform_day
from patient_visit_engine.runtime import temporal
from patient_visit_engine.storage.screens.board import read_board
from patient_visit_engine.storage.screens.worklist import read_worklist
from patient_visit_engine.storage.screens.worklist_filter import WorklistFilter
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import SpawnedProcess

BATCHES = (25, 50, 100, 200, 400)
WARM_UP_DAYS = 5
#: Patient-days at the same time.
CONCURRENCY = 16
#: The histories of this many visits are averaged.
HISTORY_SAMPLE = 50
#: The doctor of the measured worklist. Every batch adds appointments to this doctor.
WORKLIST_DOCTOR = 3


@dataclass(frozen=True)
class Snapshot:
    """The measurements after `days` patient-days in total."""

    days: int
    sizes: TableSizes
    #: CPU seconds since the start, by process.
    cpu_seconds: dict[str, float]
    #: Duration of the newest batch in seconds, and its patient-days.
    batch_seconds: float
    batch_days: int
    temporal_bytes: int
    worklist_ms: float
    board_ms: float


async def run_batch(system: MeasuredSystem, days: Sequence[PatientDay]) -> float:
    """Perform these days, `CONCURRENCY` at a time. Returns the seconds that all took."""
    semaphore = asyncio.Semaphore(CONCURRENCY)

    async def perform(day: PatientDay) -> None:
        async with semaphore:
            await perform_day(day, system.sender())

    start = time.perf_counter()
    await asyncio.gather(*(perform(day) for day in days))
    return time.perf_counter() - start


async def measure(
    system: MeasuredSystem, postmaster: int, batches: Sequence[int]
) -> tuple[list[Snapshot], tuple[float, float]]:
    """Run all batches. Returns a snapshot after each, and the average history in events and bytes."""
    await system.open()
    client = await temporal.connect(system.engine.settings)
    days = list(await system.add_patients(WARM_UP_DAYS))
    await run_batch(system, days)
    snapshots = [await take_snapshot(system, postmaster, len(days), 0.0, 0)]
    for size in batches:
        new_days = await system.add_patients(size)
        seconds = await run_batch(system, new_days)
        days += new_days
        snapshots.append(await take_snapshot(system, postmaster, len(days), seconds, size))
    return snapshots, await average_history(client, system.engine.settings, days[-HISTORY_SAMPLE:])


async def take_snapshot(
    system: MeasuredSystem, postmaster: int, days: int, batch_seconds: float, batch_days: int
) -> Snapshot:
    """Measure everything now. `postmaster` is PostgreSQL's process id."""
    engine = system.engine
    now = datetime.now(UTC)
    today = engine.settings.calendar.hospital_day(engine.settings.calendar.day_of(now))
    half_day = timedelta(hours=12)
    worklist = WorklistFilter(
        today.date, now - half_day, now + half_day, today, now, 1, 50, WORKLIST_DOCTOR, asking_doctor_id=WORKLIST_DOCTOR
    )
    return Snapshot(
        days=days,
        sizes=await read_table_sizes(engine.database),
        cpu_seconds={
            "api": total_cpu_seconds(pid for process, _url in engine.apis for pid in process_tree(process)),
            "worker": total_cpu_seconds(pid for process in engine.workers for pid in process_tree(process)),
            "temporal": total_cpu_seconds(process_tree(engine.temporal)),
            "postgres": total_cpu_seconds(with_descendants(postmaster)),
        },
        batch_seconds=batch_seconds,
        batch_days=batch_days,
        temporal_bytes=sum(file.stat().st_size for file in engine.folder.rglob("temporal*") if file.is_file()),
        worklist_ms=await fastest_read_ms(engine.database, lambda connection: read_worklist(connection, worklist)),
        board_ms=await fastest_read_ms(engine.database, lambda connection: read_board(connection, today)),
    )


def process_tree(spawned: SpawnedProcess) -> list[int]:
    """The process ids of a spawned process and its descendants. Empty when it never ran."""
    return [] if spawned.process is None else with_descendants(spawned.process.pid)


def added_per_day(snapshots: Sequence[Snapshot]) -> dict[str, float]:
    """What one more patient-day adds, as the slope of a straight line through the snapshots."""
    days = [float(snapshot.days) for snapshot in snapshots]

    def slope(values: Sequence[float]) -> float:
        return linear_regression(days, values).slope

    added = {f"rows in {name}": slope([snapshot.sizes.rows[name] for snapshot in snapshots]) for name in GROWING_TABLES}
    added |= {
        f"bytes of {name}": slope([snapshot.sizes.bytes[name] for snapshot in snapshots]) for name in GROWING_TABLES
    }
    added["bytes of Temporal's database"] = slope([snapshot.temporal_bytes for snapshot in snapshots])
    for name in snapshots[0].cpu_seconds:
        added[f"CPU ms, {name}"] = 1000 * slope([snapshot.cpu_seconds[name] for snapshot in snapshots])
    added["ms for a worklist of 50"] = slope([snapshot.worklist_ms for snapshot in snapshots])
    added["ms for the board"] = slope([snapshot.board_ms for snapshot in snapshots])
    return added


def print_report(snapshots: Sequence[Snapshot], history: tuple[float, float]) -> None:
    print(
        f"one patient-day: {DECISIONS} decisions; {snapshots[-1].days} patient-days, {CONCURRENCY} at the same time, "
        f"on {os.cpu_count()} cores"
    )
    print(f"{'history events of a visit':34} {history[0]:12.1f}")
    print(f"{'history bytes of a visit':34} {history[1]:12.0f}")
    for name, value in added_per_day(snapshots).items():
        print(f"{name:34} {value:12.3f}")
    for before, after in pairwise(snapshots):
        rate = after.batch_days * DECISIONS / after.batch_seconds
        print(
            f"{before.days:6} to {after.days:6} days: {rate:6.1f} decisions/s; then worklist {after.worklist_ms:.2f} ms, "
            f"board {after.board_ms:.2f} ms"
        )


def draw_snapshots(target: Path, snapshots: Sequence[Snapshot]) -> None:
    lines: dict[str, Sequence[float]] = {
        "rows": [sum(snapshot.sizes.rows[name] for name in GROWING_TABLES) for snapshot in snapshots],
        "database, KB": [sum(snapshot.sizes.bytes[name] for name in GROWING_TABLES) / 1000 for snapshot in snapshots],
        "Temporal's database, KB": [snapshot.temporal_bytes / 1000 for snapshot in snapshots],
        "CPU time, ms": [1000 * sum(snapshot.cpu_seconds.values()) for snapshot in snapshots],
    }
    draw_charts(target, "patient-days", [snapshot.days for snapshot in snapshots], lines)


async def main(processes: int, batches: Sequence[int], picture: Path | None) -> None:
    if reason := ThrowawayPostgres.missing_requirement():
        raise SystemExit(reason)
    server = ThrowawayPostgres("-c max_connections=300")
    server.open()
    with tempfile.TemporaryDirectory(prefix="visit-scale-") as folder:
        system = MeasuredSystem(Path(folder), f"{server.url}/postgres", processes)
        try:
            snapshots, history = await measure(system, server.postmaster, batches)
        finally:
            await system.close()
            server.close()
    print_report(snapshots, history)
    if picture is not None:
        draw_snapshots(picture, snapshots)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="number of workers, and of APIs")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES), help="patient-days in each batch")
    parser.add_argument("--picture", type=Path, help="write the charts to this SVG file")
    given = parser.parse_args()
    asyncio.run(main(given.processes, given.batches, given.picture))
