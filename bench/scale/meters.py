"""What is counted: rows, bytes, histories, computing time, and how long the screens' reads take; it must not know what was done."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, text
from temporalio.client import Client

from bench.scale.day import Day
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import metadata
from patient_visit_engine.visit.calendar import local_day
from patient_visit_engine.visit.names import visit_id

TICKS = os.sysconf("SC_CLK_TCK")
#: What holds what happens; the rest is fed, or is about staff.
KEPT = ("patient_trackings", "waiting_line", "timeline", "requests", "events")


@dataclass(frozen=True)
class Stock:
    """What the database holds: rows and bytes (indexes and dead rows in them) by table."""

    rows: dict[str, int]
    bytes: dict[str, int]


async def stock(database: Database) -> Stock:
    def read(connection: Connection) -> Stock:
        names = [table.name for table in metadata.sorted_tables]
        rows = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}
        size = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        return Stock(rows, {name: connection.execute(size, {"name": name}).scalar_one() for name in names})

    return await database.read(read)


async def histories(client: Client, settings: Settings, days: Sequence[Day]) -> tuple[float, float]:
    """Events and bytes of a visit's history, on average over these visits' latest runs."""
    day = local_day(datetime.now(UTC), settings.zone)
    events = size = 0
    for one in days:
        described = await client.get_workflow_handle(visit_id(one.patient, day)).describe()
        info = described.raw_description.workflow_execution_info
        events += info.history_length
        size += info.history_size_bytes
    return events / len(days), size / len(days)


def computing(processes: Iterable[int]) -> float:
    """Seconds of computing time of these processes so far."""
    return sum(_ticks(one) for one in processes) / TICKS


def with_children(process: int) -> list[int]:
    """The process and those that it has started."""
    found = [process]
    for task in Path(f"/proc/{process}/task").iterdir():
        found += [one for child in (task / "children").read_text().split() for one in with_children(int(child))]
    return found


def _ticks(process: int) -> int:
    # What is over is counted with its parent.
    try:
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(int(fields[place]) for place in (11, 12, 13, 14))


async def milliseconds(database: Database, unit: object, *given: object) -> float:
    """The quickest of five readings."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        await database.read(unit, *given)  # type: ignore[arg-type]
        taken.append((time.perf_counter() - began) * 1000)
    return min(taken)
