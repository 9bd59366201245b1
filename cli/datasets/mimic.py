"""Reader for the tables `procedureevents` and `transfers` of MIMIC-IV.

The patients are inpatients, mostly in intensive care. The set lacks some values, and uses others differently. The reader
replaces them:

- Dates: each patient's dates were moved by an unknown number of days, into 2110..2201. Time of day, order and distances within one
  patient are real; the dates of two patients cannot be compared. The import keeps the dates. A replay moves each patient's own
  busiest day to one common day and prints a note. So each patient's conflicts are real, but the crowd on that day is not.
- Doctor: the caregiver who charted, often a nurse. If no caregiver is named, one made-up doctor for each kind of order. For a stay,
  the team of the care unit.
- Appointment: the order. The set has no scheduled time, so it is the start.
- Prestation: the item. Its name comes from `d_items`, if that file is in the same folder, otherwise it is "Procedure" with the
  item's number. Its expected minutes are the median of its recorded lengths, 1 to 480. A length of exactly 1 minute
  means that the real length was not recorded.
- Exclusive: everything except imaging and treatments that stay in or on the patient while others work (lines, tubes, ventilation,
  continuous procedures). A stay in a care unit is exclusive.
- A row of `transfers` without an end is a discharge and not a stay. It is refused.
"""

import statistics
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from patient_visit_engine.cli.datasets.csv_table import (
    InvalidRowError,
    NotADataSetError,
    RowCollector,
    cell,
    datetime_cell,
    integer_cell,
    read_table,
)
from patient_visit_engine.cli.datasets.made_up import stable_number
from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet

NAME = "mimic"
PROCEDURE_COLUMNS = frozenset(
    {"subject_id", "caregiver_id", "starttime", "endtime", "itemid", "orderid", "ordercategoryname"}
)
STAY_COLUMNS = frozenset({"subject_id", "transfer_id", "eventtype", "careunit", "intime", "outtime"})
COLUMN_SETS = (PROCEDURE_COLUMNS, STAY_COLUMNS)
ITEM_COLUMNS = frozenset({"itemid", "label", "linksto"})
#: The first id of each kind. The set's own number is added to it.
FIRST_PATIENT = FIRST_PROCEDURE = FIRST_ITEM = FIRST_CAREGIVER = 4_000_000_000_000_000
FIRST_STAY = FIRST_UNIT = 4_100_000_000_000_000
FIRST_MADE_UP_DOCTOR = 4_200_000_000_000_000
#: The largest number of the set itself.
MAX_NUMBER = 999_999_999_999
#: Kinds of order that may run next to other work on the patient.
NOT_EXCLUSIVE = frozenset(
    {"Imaging", "Peripheral Lines", "Invasive Lines", "Tubes", "Ventilation", "Continuous Procedures"}
)
MAX_EXPECTED_MINUTES = 480
NOTES = (
    "mimic moved each patient's dates by an unknown number of days: the dates of two patients cannot be compared",
    "mimic identifies caregivers (often nurses) by number; names are made up from the numbers",
    "mimic has no scheduled time: it is the start; a length of exactly 1 minute means that the real one was not recorded",
)


def find_tables(folder: Path) -> list[Path]:
    """The tables of this set in a folder and its subfolders, procedures first."""
    paths = [
        path
        for name in ("procedureevents", "transfers")
        for path in sorted(folder.rglob(f"{name}.csv*"))
        if path.name in (f"{name}.csv", f"{name}.csv.gz")
    ]
    if not paths:
        raise NotADataSetError(f"{folder}: contains no procedureevents.csv or transfers.csv, plain or gzip")
    return paths


def read(path: Path) -> RecordedSet:
    """One table of the set. Raises `NotADataSetError` when a file is cut off."""
    header, rows = read_table(path)
    collector = RowCollector(path.name)
    has_procedures = frozenset(header) >= PROCEDURE_COLUMNS
    labels = _read_item_labels(path) if has_procedures else {}
    appointments: list[RecordedAppointment] = []
    for line, row in rows:
        with collector.refuse_invalid(line):
            appointment = _procedure(line, row, labels) if has_procedures else _stay(line, row)
            collector.check_unique(appointment.appointment_id, line, "the order" if has_procedures else "the stay")
            appointments.append(appointment)
    appointments = _with_expected_minutes(appointments)
    appointments.sort(key=lambda appointment: (appointment.scheduled_at, appointment.appointment_id))
    return RecordedSet(NAME, tuple(appointments), tuple(collector.refused), NOTES, dates_are_shifted=True)


def _read_item_labels(path: Path) -> dict[str, str]:
    for name in ("d_items.csv.gz", "d_items.csv"):
        if (item_table := path.with_name(name)).exists():
            header, rows = read_table(item_table)
            if frozenset(header) >= ITEM_COLUMNS:
                return {
                    row["itemid"]: row.get("label", "").strip() for _, row in rows if row.get("label", "").isprintable()
                }
    return {}


def _procedure(line: int, row: dict[str, str], labels: dict[str, str]) -> RecordedAppointment:
    category = cell(row, "ordercategoryname")
    started_at, ended_at = _start_and_end(row, "starttime", "endtime")
    item = integer_cell(row, "itemid", MAX_NUMBER)
    doctor_id, doctor = _caregiver(row, category)
    return RecordedAppointment(
        line=line,
        appointment_id=FIRST_PROCEDURE + integer_cell(row, "orderid", MAX_NUMBER),
        patient_id=FIRST_PATIENT + integer_cell(row, "subject_id", MAX_NUMBER),
        doctor_id=doctor_id,
        doctor=doctor,
        prestation_id=FIRST_ITEM + item,
        prestation=(labels.get(str(item)) or f"Procedure {item}")[:200],
        exclusive=category not in NOT_EXCLUSIVE,
        expected_minutes=1,
        scheduled_at=started_at,
        started_at=started_at,
        ended_at=ended_at,
    )


def _caregiver(row: dict[str, str], category: str) -> tuple[int, str]:
    if not cell(row, "caregiver_id"):
        number = stable_number(NAME, category) % MAX_NUMBER
        return FIRST_MADE_UP_DOCTOR + number, f"Unnamed caregiver, {category or 'other'}"[:200]
    number = integer_cell(row, "caregiver_id", MAX_NUMBER)
    return FIRST_CAREGIVER + number, f"Caregiver {number}"


def _stay(line: int, row: dict[str, str]) -> RecordedAppointment:
    if not cell(row, "outtime"):
        raise InvalidRowError("outtime is empty: the row is a discharge, not a stay")
    unit = cell(row, "careunit")
    if not unit:
        raise InvalidRowError("careunit is empty")
    started_at, ended_at = _start_and_end(row, "intime", "outtime")
    number = FIRST_UNIT + stable_number(NAME, unit) % MAX_NUMBER
    return RecordedAppointment(
        line=line,
        appointment_id=FIRST_STAY + integer_cell(row, "transfer_id", MAX_NUMBER),
        patient_id=FIRST_PATIENT + integer_cell(row, "subject_id", MAX_NUMBER),
        doctor_id=number,
        doctor=f"Team of {unit}"[:200],
        prestation_id=number,
        prestation=f"Stay in {unit}"[:200],
        exclusive=True,
        expected_minutes=1,
        scheduled_at=started_at,
        started_at=started_at,
        ended_at=ended_at,
        specialization=unit[:200],
    )


def _start_and_end(row: dict[str, str], start_column: str, end_column: str) -> tuple[datetime, datetime]:
    started_at, ended_at = datetime_cell(row, start_column), datetime_cell(row, end_column)
    if ended_at <= started_at:
        raise InvalidRowError(f"{end_column} is not after {start_column}")
    return started_at, ended_at


def _with_expected_minutes(appointments: list[RecordedAppointment]) -> list[RecordedAppointment]:
    lengths: dict[int, list[float]] = defaultdict(list)
    for appointment in appointments:
        assert appointment.started_at is not None
        assert appointment.ended_at is not None
        minutes = (appointment.ended_at - appointment.started_at).total_seconds() / 60
        lengths[appointment.prestation_id].append(minutes)
    expected = {
        prestation: min(MAX_EXPECTED_MINUTES, max(1, round(statistics.median(prestation_lengths))))
        for prestation, prestation_lengths in lengths.items()
    }
    return [replace(appointment, expected_minutes=expected[appointment.prestation_id]) for appointment in appointments]
