"""The rows of a data set on their way into the master data, in batches; it must not know which set they are of.

A row that is there already stays as it is. Where it says something else, whatever refers to it is refused: an appointment must
never fall to somebody who only has the same number.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Table

from patient_visit_engine.cli.datasets.rows import RecordedAppointment, RecordedSet, RefusedRow, made_up_name
from patient_visit_engine.cli.progress import Bar
from patient_visit_engine.storage import tables
from patient_visit_engine.storage.bulk_master_data import BATCH, add_missing
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import AppointmentStatus

TAKEN = "is there already and says something else: left as it is"


@dataclass
class Tally:
    """What an import did, a table each."""

    added: dict[str, int] = field(default_factory=dict)
    same: dict[str, int] = field(default_factory=dict)
    refused: list[RefusedRow] = field(default_factory=list)


def run(url: str, sets: Sequence[RecordedSet], zone: ZoneInfo, bar: Bar) -> Tally:
    """Add all sets to the database at `url`."""
    return asyncio.run(_import(url, sets, zone, bar))


async def _import(url: str, sets: Sequence[RecordedSet], zone: ZoneInfo, bar: Bar) -> Tally:
    database = Database(url, statement_within=None)
    try:
        tally = Tally()
        for found in sets:
            await import_set(database, found, zone, bar, tally)
        return tally
    finally:
        await database.close()


async def import_set(database: Database, found: RecordedSet, zone: ZoneInfo, bar: Bar, tally: Tally) -> None:
    """Add what is missing of one set, in batches; a second time adds nothing."""
    tally.refused += found.refused
    rows = found.appointments
    foreign: dict[str, set[int]] = {}
    for name, master in (
        ("patient", {row.patient_id: _patient(row) for row in rows}),
        ("doctor", {row.doctor_id: _doctor(row) for row in rows}),
        ("prestation", {row.prestation_id: _prestation(row) for row in rows}),
    ):
        table = tables.metadata.tables[f"{name}s"]
        foreign[name] = set(await _add(database, table, list(master.values()), f"{found.name} {name}s", bar, tally))
    taken = []
    for row in rows:
        if (refused := _whose(row, foreign, found.name)) is None:
            taken.append(row)
        else:
            tally.refused.append(refused)
    appointments = [_appointment(row, zone) for row in taken]
    other = set(await _add(database, tables.appointments, appointments, f"{found.name} appointments", bar, tally))
    tally.refused += [
        RefusedRow(row.line, f"appointment {row.appointment_id} {TAKEN}", found.name)
        for row in taken
        if row.appointment_id in other
    ]


async def _add(
    database: Database, table: Table, rows: list[dict[str, Any]], name: str, bar: Bar, tally: Tally
) -> list[int]:
    # A status or a birth date that came later is no difference: what must agree is whose row it is.
    compare = [column for column in rows[0] if column not in ("id", "status")] if rows else []
    other: list[int] = []
    bar.begin(name, len(rows))
    for batch in _batches(rows, BATCH):
        done = await database.write(add_missing, table, batch, compare)
        tally.added[table.name] = tally.added.get(table.name, 0) + done.added
        tally.same[table.name] = tally.same.get(table.name, 0) + done.same
        other += done.other
        bar.advance(len(batch))
    return other


def _batches(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _whose(row: RecordedAppointment, foreign: dict[str, set[int]], name: str) -> RefusedRow | None:
    """Why an appointment cannot be taken: its patient, doctor or service is somebody or something else here."""
    ids = {"patient": row.patient_id, "doctor": row.doctor_id, "prestation": row.prestation_id}
    for what, number in ids.items():
        if number in foreign[what]:
            return RefusedRow(row.line, f"{what} {number} {TAKEN}", name)
    return None


def _patient(row: RecordedAppointment) -> dict[str, Any]:
    first, last = made_up_name(row.patient_id)
    return {"id": row.patient_id, "first_name": first, "last_name": last}


def _doctor(row: RecordedAppointment) -> dict[str, Any]:
    return {"id": row.doctor_id, "name": row.doctor, "specialization": row.specialization}


def _prestation(row: RecordedAppointment) -> dict[str, Any]:
    return {
        "id": row.prestation_id,
        "name": row.prestation,
        "exclusive": row.exclusive,
        "expected_minutes": row.expected_minutes,
    }


def _appointment(row: RecordedAppointment, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": row.appointment_id,
        "patient_id": row.patient_id,
        "doctor_id": row.doctor_id,
        "prestation_id": row.prestation_id,
        "scheduled_at": to_millisecond(row.scheduled_at.replace(tzinfo=zone)),
        "status": int(AppointmentStatus.scheduled),
    }


def summary(tally: Tally) -> str:
    """The closing line."""
    parts = [f"{count} {table}" for table, count in tally.added.items()]
    refused = f"{len(tally.refused)} rows refused"
    if not any(tally.added.values()):
        return f"nothing to add, all {tally.same.get('appointments', 0)} appointments are there already; {refused}"
    return f"added {', '.join(parts)}; {sum(tally.same.values())} rows were there already; {refused}; no events sent"
