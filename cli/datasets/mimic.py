"""The reader of MIMIC-IV's `procedureevents` and `transfers`, recognised by their headers; it must not know other sets.

These are inpatients, mostly in intensive care; what the set lacks or means otherwise is mapped like this:

- Dates: each patient's were moved by an unknown number of days, into 2110..2201. Time of day, order and distances within a patient
  are real; the dates of two patients cannot be compared. They are imported as they stand; a replay lays every patient's own busiest
  day on one day and says so, so the crowd on that day is not real, while each patient's conflicts are.
- Doctor: the caregiver who charted, often a nurse; where none is named, one stand-in for each kind of order. For a stay: the
  care unit's team.
- Appointment: the order. The set has no scheduled time: it is the start.
- Service: the item, named by `d_items` when that file lies beside or in the same set, else "Procedure" with the item's number.
  Its expected minutes are the median of its recorded lengths, 1 to 480. A procedure of exactly 1 minute is nominal: the
  real length was not recorded.
- Exclusive: all but imaging and what stays in or on the patient while others work (lines, tubes, ventilation, continuous
  procedures). A stay in a care unit is exclusive.
- A row of `transfers` without an end is a discharge, no stay, and is refused.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from patient_visit_engine.cli.datasets.rows import (
    NotADataSetError,
    RecordedAppointment,
    RecordedSet,
    Taken,
    WrongRowError,
    cell,
    moment,
    number_of,
    read_table,
    whole_number,
)

NAME = "mimic"
PROCEDURES = frozenset({"subject_id", "caregiver_id", "starttime", "endtime", "itemid", "orderid", "ordercategoryname"})
STAYS = frozenset({"subject_id", "transfer_id", "eventtype", "careunit", "intime", "outtime"})
NAMES = frozenset({"itemid", "label", "linksto"})
#: Where each kind of number begins; the set's own number stands in the digits behind it.
PATIENTS = PROCEDURE_ORDERS = ITEMS = CAREGIVERS = 4_000_000_000_000_000
STAY_ORDERS = UNITS = 4_100_000_000_000_000
STAND_INS = 4_200_000_000_000_000
LARGEST_OWN = 999_999_999_999
RUNS_BESIDE = frozenset(
    {"Imaging", "Peripheral Lines", "Invasive Lines", "Tubes", "Ventilation", "Continuous Procedures"}
)
LONGEST_EXPECTED = 480
NOTES = (
    "mimic moved each patient's dates by an unknown number of days: the dates of two patients cannot be compared",
    "mimic names caregivers who charted, often nurses, by number; names are made up from the numbers",
    "mimic has no scheduled time: it is the start; procedures of exactly 1 minute are nominal",
)


def recognises(header: Sequence[str]) -> bool:
    """Whether a table with this header is one of this set's that hold appointments."""
    return frozenset(header) >= PROCEDURES or frozenset(header) >= STAYS


def tables_in(folder: Path) -> list[Path]:
    """The tables of this set in or below a folder, procedures first."""
    found = [
        path
        for name in ("procedureevents", "transfers")
        for path in sorted(folder.rglob(f"{name}.csv*"))
        if path.name in (f"{name}.csv", f"{name}.csv.gz")
    ]
    if not found:
        raise NotADataSetError(f"{folder}: holds no procedureevents.csv or transfers.csv, packed or not")
    return found


def read(path: Path) -> RecordedSet:
    """One table of the set; raises `NotADataSetError` when a file breaks off."""
    header, rows = read_table(path)
    taken = Taken(path.name)
    procedures = frozenset(header) >= PROCEDURES
    labels = _labels(path) if procedures else {}
    appointments: list[RecordedAppointment] = []
    for line, row in rows:
        with taken.row(line):
            appointment = _procedure(line, row, labels) if procedures else _stay(line, row)
            taken.once(appointment.appointment_id, line, "the order" if procedures else "the stay")
            appointments.append(appointment)
    appointments = _with_expected_minutes(appointments)
    appointments.sort(key=lambda appointment: (appointment.scheduled_at, appointment.appointment_id))
    return RecordedSet(NAME, tuple(appointments), tuple(taken.refused), NOTES, dates_are_shifted=True)


def _labels(path: Path) -> dict[str, str]:
    for near in ("d_items.csv.gz", "d_items.csv"):
        if (beside := path.with_name(near)).exists():
            header, rows = read_table(beside)
            if frozenset(header) >= NAMES:
                return {
                    row["itemid"]: row.get("label", "").strip() for _, row in rows if row.get("label", "").isprintable()
                }
    return {}


def _procedure(line: int, row: dict[str, str], labels: dict[str, str]) -> RecordedAppointment:
    category = cell(row, "ordercategoryname")
    started, ended = _from_to(row, "starttime", "endtime")
    item = whole_number(row, "itemid", LARGEST_OWN)
    doctor_id, doctor = _caregiver(row, category)
    return RecordedAppointment(
        line=line,
        appointment_id=PROCEDURE_ORDERS + whole_number(row, "orderid", LARGEST_OWN),
        patient_id=PATIENTS + whole_number(row, "subject_id", LARGEST_OWN),
        doctor_id=doctor_id,
        doctor=doctor,
        prestation_id=ITEMS + item,
        prestation=(labels.get(str(item)) or f"Procedure {item}")[:200],
        exclusive=category not in RUNS_BESIDE,
        expected_minutes=1,
        scheduled_at=started,
        started=started,
        ended=ended,
    )


def _caregiver(row: dict[str, str], category: str) -> tuple[int, str]:
    if not cell(row, "caregiver_id"):
        return STAND_INS + number_of(NAME, category) % LARGEST_OWN, f"Unnamed caregiver, {category or 'other'}"[:200]
    number = whole_number(row, "caregiver_id", LARGEST_OWN)
    return CAREGIVERS + number, f"Caregiver {number}"


def _stay(line: int, row: dict[str, str]) -> RecordedAppointment:
    if not cell(row, "outtime"):
        raise WrongRowError("a discharge has no end: it is not a stay")
    unit = cell(row, "careunit")
    if not unit:
        raise WrongRowError("careunit is empty")
    started, ended = _from_to(row, "intime", "outtime")
    number = UNITS + number_of(NAME, unit) % LARGEST_OWN
    return RecordedAppointment(
        line=line,
        appointment_id=STAY_ORDERS + whole_number(row, "transfer_id", LARGEST_OWN),
        patient_id=PATIENTS + whole_number(row, "subject_id", LARGEST_OWN),
        doctor_id=number,
        doctor=f"Team of {unit}"[:200],
        prestation_id=number,
        prestation=f"Stay in {unit}"[:200],
        exclusive=True,
        expected_minutes=1,
        scheduled_at=started,
        started=started,
        ended=ended,
        specialization=unit[:200],
    )


def _from_to(row: dict[str, str], first: str, last: str) -> tuple[datetime, datetime]:
    started, ended = moment(row, first), moment(row, last)
    if ended <= started:
        raise WrongRowError(f"{last} is not after {first}")
    return started, ended


def _with_expected_minutes(appointments: list[RecordedAppointment]) -> list[RecordedAppointment]:
    lengths: dict[int, list[float]] = defaultdict(list)
    for one in appointments:
        assert one.started is not None
        assert one.ended is not None
        lengths[one.prestation_id].append((one.ended - one.started).total_seconds() / 60)
    expected = {
        prestation: min(LONGEST_EXPECTED, max(1, round(statistics.median(minutes))))
        for prestation, minutes in lengths.items()
    }
    return [replace(one, expected_minutes=expected[one.prestation_id]) for one in appointments]
