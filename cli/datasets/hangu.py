"""Reader for the consultations of one physician in Guangzhou (`Data.csv`).

- Day: the set has the session's number in order, month, day of the week, and morning or afternoon. It has no year and no day of
  the month. Each session gets the nearest date that fits its month and day of the week, from 2018-01-01 on and not before the
  previous session. If a morning is followed by an afternoon of the same weekday, both are on one day. The real dates may differ by
  some weeks.
- Start: real, to the second. End: start plus the published length, which its authors cut where the next patient begins.
- Scheduled time: not in the set, so it is the start. One doctor, one exclusive prestation, expected to take 12 minutes (the median).
- Patient ids are `H` and nine hexadecimal digits, read as a number. Appointments have no ids: they are numbered within their session.
- Names: made up.
"""

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from pathlib import Path

from patient_visit_engine.cli.datasets.csv_table import (
    MAX_QUOTE_LENGTH,
    InvalidRowError,
    RowCollector,
    cell,
    integer_cell,
    read_table,
)
from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet

NAME = "hangu"
COLUMN_SETS = (frozenset({"ID", "Session", "Month", "DayOfWeek", "AM_PM", "StartTime", "ServTime"}),)
#: All ids of this set are numbered from here.
FIRST_ID = 5_000_000_000_000_000
MAX_APPOINTMENTS_PER_SESSION = 10_000
MAX_SECONDS = 24 * 3600
EXPECTED_MINUTES = 12
FIRST_DAY = date(2018, 1, 1)
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
NOTES = (
    "hangu has no calendar date: each session is on the nearest later day with its month and weekday, from 2018 on",
    "hangu has no scheduled time: it is the start; ends are approximated by its authors",
    "hangu has no names: names are made up from the ids",
)


def read(path: Path) -> RecordedSet:
    """The whole set. Raises `NotADataSetError` when the file is cut off."""
    _, rows = read_table(path)
    collector = RowCollector(path.name)
    sessions: dict[tuple[int, str, str, str], list[tuple[int, int, time, int]]] = defaultdict(list)
    for line, row in rows:
        with collector.refuse_invalid(line):
            session = integer_cell(row, "Session", 1_000_000)
            key = (session, _choice(row, "Month", MONTHS), _choice(row, "DayOfWeek", WEEKDAYS), _half_day(row))
            sessions[key].append((line, _patient(row), _start(row), integer_cell(row, "ServTime", MAX_SECONDS)))
    appointments: list[RecordedAppointment] = []
    day, previous_half = FIRST_DAY - timedelta(days=1), "afternoon"
    for (session, month, weekday, half), session_rows in sorted(sessions.items()):
        day, previous_half = _next_day(month, weekday, half, day, previous_half), half
        appointments += _appointments(session, day, session_rows)
    return RecordedSet(NAME, tuple(appointments), tuple(collector.refused), NOTES)


def _next_day(month: str, weekday: str, half: str, previous_day: date, previous_half: str) -> date:
    same_day_fits = (previous_half, half) == ("morning", "afternoon")
    day = previous_day if same_day_fits else previous_day + timedelta(days=1)
    while (MONTHS[day.month - 1], WEEKDAYS[day.weekday()]) != (month, weekday):
        day += timedelta(days=1)
    return day


def _appointments(session: int, day: date, rows: list[tuple[int, int, time, int]]) -> list[RecordedAppointment]:
    appointments = []
    for number, (line, patient, start, seconds) in enumerate(sorted(rows, key=lambda row: (row[2], row[0])), 1):
        started_at = datetime.combine(day, start)
        appointments.append(
            RecordedAppointment(
                line=line,
                appointment_id=FIRST_ID + session * MAX_APPOINTMENTS_PER_SESSION + number,
                patient_id=FIRST_ID + patient,
                doctor_id=FIRST_ID + 1,
                doctor="Dr. Hangu",
                prestation_id=FIRST_ID + 1,
                prestation="Outpatient consultation",
                exclusive=True,
                expected_minutes=EXPECTED_MINUTES,
                scheduled_at=started_at,
                started_at=started_at,
                ended_at=started_at + timedelta(seconds=seconds),
            )
        )
    return appointments


def _choice(row: dict[str, str], column: str, choices: list[str]) -> str:
    if (text := cell(row, column)) not in choices:
        raise InvalidRowError(f"{column} {text[:MAX_QUOTE_LENGTH]!r} is unknown")
    return text


def _half_day(row: dict[str, str]) -> str:
    return _choice(row, "AM_PM", ["morning", "afternoon"])


def _patient(row: dict[str, str]) -> int:
    text = cell(row, "ID")
    digits = text[1:]
    if not text.startswith("H") or len(digits) != 9 or set(digits) - set("0123456789ABCDEF") or not int(digits, 16):
        raise InvalidRowError(f"ID {text[:MAX_QUOTE_LENGTH]!r} is not H and nine hexadecimal digits")
    return int(digits, 16)


def _start(row: dict[str, str]) -> time:
    text = cell(row, "StartTime")
    try:
        return datetime.strptime(text, "%H:%M:%S").time()  # noqa: DTZ007
    except ValueError:
        raise InvalidRowError(f"StartTime {text[:MAX_QUOTE_LENGTH]!r} is not a time of day") from None
