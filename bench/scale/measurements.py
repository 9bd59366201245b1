"""Measures rows, bytes, workflow histories, CPU time, and how long the reads of the screens take."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, text
from temporalio.client import Client

from bench.scale.patient_day import PatientDay
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import metadata
from patient_visit_engine.visit.names import visit_id

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
#: The tables that grow with each patient-day. The others hold master data and staff.
GROWING_TABLES = ("patient_trackings", "waiting_line", "timeline", "requests", "events")


@dataclass(frozen=True)
class TableSizes:
    """Rows and bytes by table. The bytes include indexes and dead rows."""

    rows: dict[str, int]
    bytes: dict[str, int]


async def read_table_sizes(database: Database) -> TableSizes:
    def read(connection: Connection) -> TableSizes:
        names = [table.name for table in metadata.sorted_tables]
        rows = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}
        size = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        return TableSizes(rows, {name: connection.execute(size, {"name": name}).scalar_one() for name in names})

    return await database.read(read)


async def average_history(client: Client, settings: Settings, days: Sequence[PatientDay]) -> tuple[float, float]:
    """Average number of events and bytes in the history of these visits' latest runs."""
    today = settings.calendar.day_of(datetime.now(UTC))
    events = size = 0
    for day in days:
        described = await client.get_workflow_handle(visit_id(day.patient, today)).describe()
        info = described.raw_description.workflow_execution_info
        events += info.history_length
        size += info.history_size_bytes
    return events / len(days), size / len(days)


def total_cpu_seconds(pids: Iterable[int]) -> float:
    """CPU seconds of these processes since their start."""
    return sum(_cpu_ticks(pid) for pid in pids) / TICKS_PER_SECOND


def with_descendants(pid: int) -> list[int]:
    """The process and all processes below it."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = map(int, (task / "children").read_text().split())
        pids += [descendant for child in children for descendant in with_descendants(child)]
    return pids


def _cpu_ticks(pid: int) -> int:
    # Fields 14 to 17: user and system time of the process, and of its children that have ended.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(int(fields[index]) for index in (11, 12, 13, 14))


async def fastest_read_ms(database: Database, read: Callable[[Connection], object]) -> float:
    """Milliseconds of the fastest of five reads."""
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        await database.read(read)
        durations.append((time.perf_counter() - start) * 1000)
    return min(durations)
