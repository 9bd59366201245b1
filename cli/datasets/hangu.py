"""The reader of the consultations of one physician in Guangzhou (`Data.csv`), recognised by its header; it must not know other sets.

- Day: the set has the session's number in order, month, day of the week and morning or afternoon, but neither year nor day of
  the month. Each session gets the nearest date, not before the session before it, on which month and day of the week fit, from
  2018-01-01 on; an afternoon after a morning of the same weekday is the same day. Real days may lie some weeks elsewhere.
- Start: real, to the second. End: start plus the published length, which is cut where the next patient begins.
- Scheduled time: not in the set; it is the start. One doctor, one exclusive service, expected to take 12 minutes (the median).
- Patient ids are `H` and nine hexadecimal digits, read as a number. Appointments have none: they are numbered within their session.
- Names: made up.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from patient_visit_engine.cli.datasets.rows import (
    LONGEST_QUOTE,
    RecordedAppointment,
    RecordedSet,
    Taken,
    WrongRowError,
    cell,
    read_table,
    whole_number,
)

NAME = "hangu"
COLUMNS = frozenset({"ID", "Session", "Month", "DayOfWeek", "AM_PM", "StartTime", "ServTime"})
SPACE = 5_000_000_000_000_000
MOST_A_SESSION = 10_000
LONGEST_SECONDS = 24 * 3600
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
    "hangu has no calendar date: each session is laid on the nearest later day with its month and weekday, from 2018 on",
    "hangu has no scheduled time: it is the start; ends are approximated by its authors",
    "hangu names nobody: names are made up from the ids",
)


def recognises(header: Sequence[str]) -> bool:
    """Whether a table with this header is this set."""
    return frozenset(header) >= COLUMNS


def read(path: Path) -> RecordedSet:
    """The whole set; raises `NotADataSetError` when the file breaks off."""
    _, rows = read_table(path)
    taken = Taken(path.name)
    sessions: dict[tuple[int, str, str, str], list[tuple[int, int, time, int]]] = defaultdict(list)
    for line, row in rows:
        with taken.row(line):
            session = whole_number(row, "Session", 1_000_000)
            key = (session, _one_of(row, "Month", MONTHS), _one_of(row, "DayOfWeek", WEEKDAYS), _half(row))
            sessions[key].append((line, _patient(row), _start(row), whole_number(row, "ServTime", LONGEST_SECONDS)))
    appointments: list[RecordedAppointment] = []
    day, before = FIRST_DAY - timedelta(days=1), "afternoon"
    for (session, month, weekday, half), seen in sorted(sessions.items()):
        day, before = _day_of(month, weekday, half, day, before), half
        appointments += _appointments(session, day, seen)
    return RecordedSet(NAME, tuple(appointments), tuple(taken.refused), NOTES)


def _day_of(month: str, weekday: str, half: str, last: date, before: str) -> date:
    same_day_fits = (before, half) == ("morning", "afternoon")
    day = last if same_day_fits else last + timedelta(days=1)
    while (MONTHS[day.month - 1], WEEKDAYS[day.weekday()]) != (month, weekday):
        day += timedelta(days=1)
    return day


def _appointments(session: int, day: date, seen: list[tuple[int, int, time, int]]) -> list[RecordedAppointment]:
    appointments = []
    for number, (line, patient, start, seconds) in enumerate(sorted(seen, key=lambda row: (row[2], row[0])), 1):
        started = datetime.combine(day, start)
        appointments.append(
            RecordedAppointment(
                line=line,
                appointment_id=SPACE + session * MOST_A_SESSION + number,
                patient_id=SPACE + patient,
                doctor_id=SPACE + 1,
                doctor="Dr. Hangu",
                prestation_id=SPACE + 1,
                prestation="Outpatient consultation",
                exclusive=True,
                expected_minutes=EXPECTED_MINUTES,
                scheduled_at=started,
                started=started,
                ended=started + timedelta(seconds=seconds),
            )
        )
    return appointments


def _one_of(row: dict[str, str], column: str, known: list[str]) -> str:
    if (text := cell(row, column)) not in known:
        raise WrongRowError(f"{column} {text[:LONGEST_QUOTE]!r} is not known")
    return text


def _half(row: dict[str, str]) -> str:
    return _one_of(row, "AM_PM", ["morning", "afternoon"])


def _patient(row: dict[str, str]) -> int:
    text = cell(row, "ID")
    digits = text[1:]
    if not text.startswith("H") or len(digits) != 9 or set(digits) - set("0123456789ABCDEF") or not int(digits, 16):
        raise WrongRowError(f"ID {text[:LONGEST_QUOTE]!r} is not H and nine hexadecimal digits")
    return int(digits, 16)


def _start(row: dict[str, str]) -> time:
    text = cell(row, "StartTime")
    try:
        return datetime.strptime(text, "%H:%M:%S").time()  # noqa: DTZ007
    except ValueError:
        raise WrongRowError(f"StartTime {text[:LONGEST_QUOTE]!r} is not a time of day") from None
