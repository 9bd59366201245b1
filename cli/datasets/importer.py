"""Adds the rows of data sets to the master data, in batches.

A row that exists already is never changed. If it differs from the data set's row, the importer refuses every appointment that refers
to it. Otherwise an appointment could go to another person who has the same number.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import Table

from patient_visit_engine.cli.datasets.made_up import made_up_name
from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet, RefusedRow
from patient_visit_engine.cli.progress import ProgressDisplay
from patient_visit_engine.storage import tables
from patient_visit_engine.storage.bulk_master_data import (
    BATCH,
    AppointmentRow,
    DoctorRow,
    PatientRow,
    PrestationRow,
    Row,
    add_missing,
)
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import AppointmentStatus

CONFLICT = "exists already with other values: not changed"


@dataclass
class ImportTally:
    """The result of an import: rows added and rows that existed already, by table, and the refused rows."""

    added: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)
    refused: list[RefusedRow] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """How many appointments of the files are in the database now."""
        return self.added.get("appointments", 0) + self.unchanged.get("appointments", 0)


def import_all(url: str, data_sets: Sequence[RecordedSet], zone: ZoneInfo, progress: ProgressDisplay) -> ImportTally:
    """Add all data sets to the database at `url`."""
    return asyncio.run(_import_all(url, data_sets, zone, progress))


async def _import_all(
    url: str, data_sets: Sequence[RecordedSet], zone: ZoneInfo, progress: ProgressDisplay
) -> ImportTally:
    database = Database(url, statement_within=None)
    try:
        tally = ImportTally()
        for data_set in data_sets:
            await import_set(database, data_set, zone, progress, tally)
        return tally
    finally:
        await database.close()


async def import_set(
    database: Database, data_set: RecordedSet, zone: ZoneInfo, progress: ProgressDisplay, tally: ImportTally
) -> None:
    """Add the missing rows of one data set, in batches. A second import adds nothing."""
    tally.refused += data_set.refused
    appointments = data_set.appointments
    conflicts: dict[str, set[int]] = {}
    for kind, records in (
        ("patient", {row.patient_id: _patient(row) for row in appointments}),
        ("doctor", {row.doctor_id: _doctor(row) for row in appointments}),
        ("prestation", {row.prestation_id: _prestation(row) for row in appointments}),
    ):
        table = tables.metadata.tables[f"{kind}s"]
        title = f"{data_set.name} {kind}s"
        conflicts[kind] = set(await _add_rows(database, table, list(records.values()), title, progress, tally))
    accepted = []
    for appointment in appointments:
        if (refusal := _find_conflict(appointment, conflicts, data_set.name)) is None:
            accepted.append(appointment)
        else:
            tally.refused.append(refusal)
    rows = [_appointment(appointment, zone) for appointment in accepted]
    title = f"{data_set.name} appointments"
    conflicting_ids = set(await _add_rows(database, tables.appointments, rows, title, progress, tally))
    tally.refused += [
        RefusedRow(appointment.line, f"appointment {appointment.appointment_id} {CONFLICT}", data_set.name)
        for appointment in accepted
        if appointment.appointment_id in conflicting_ids
    ]


async def _add_rows(
    database: Database,
    table: Table,
    rows: Sequence[Row],
    title: str,
    progress: ProgressDisplay,
    tally: ImportTally,
) -> list[int]:
    """Add the rows and return the ids that exist already with other values."""
    # A later status or birth date is not a conflict: only the columns that identify the row are compared.
    compared_columns = [column for column in rows[0] if column not in ("id", "status")] if rows else []
    conflicting_ids: list[int] = []
    progress.begin(title, len(rows))
    for batch in _batches(rows, BATCH):
        result = await database.write(add_missing, table, batch, compared_columns)
        tally.added[table.name] = tally.added.get(table.name, 0) + result.added
        tally.unchanged[table.name] = tally.unchanged.get(table.name, 0) + result.unchanged
        conflicting_ids += result.different
        progress.advance(len(batch))
    return conflicting_ids


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _find_conflict(appointment: RecordedAppointment, conflicts: dict[str, set[int]], name: str) -> RefusedRow | None:
    """The refusal of an appointment if its patient, doctor or prestation is another record in this database."""
    ids = {
        "patient": appointment.patient_id,
        "doctor": appointment.doctor_id,
        "prestation": appointment.prestation_id,
    }
    for kind, record_id in ids.items():
        if record_id in conflicts[kind]:
            return RefusedRow(appointment.line, f"{kind} {record_id} {CONFLICT}", name)
    return None


def _patient(row: RecordedAppointment) -> PatientRow:
    first, last = made_up_name(row.patient_id)
    return {"id": row.patient_id, "first_name": first, "last_name": last}


def _doctor(row: RecordedAppointment) -> DoctorRow:
    return {"id": row.doctor_id, "name": row.doctor, "specialization": row.specialization}


def _prestation(row: RecordedAppointment) -> PrestationRow:
    return {
        "id": row.prestation_id,
        "name": row.prestation,
        "exclusive": row.exclusive,
        "expected_minutes": row.expected_minutes,
    }


def _appointment(row: RecordedAppointment, zone: ZoneInfo) -> AppointmentRow:
    return {
        "id": row.appointment_id,
        "patient_id": row.patient_id,
        "doctor_id": row.doctor_id,
        "prestation_id": row.prestation_id,
        "scheduled_at": to_millisecond(row.scheduled_at.replace(tzinfo=zone)),
        "status": int(AppointmentStatus.scheduled),
    }


def summary(tally: ImportTally) -> str:
    """The last line of the command's output."""
    added_counts = [f"{count} {table}" for table, count in tally.added.items()]
    refused = f"{len(tally.refused)} rows refused"
    if tally.refused and not tally.taken:
        return f"nothing was taken: {len(tally.refused)} of {len(tally.refused)} rows refused"
    if not any(tally.added.values()):
        return f"nothing to add: all {tally.unchanged.get('appointments', 0)} appointments exist already; {refused}"
    unchanged = sum(tally.unchanged.values())
    return f"added {', '.join(added_counts)}; {unchanged} rows existed already; {refused}; no events sent"
