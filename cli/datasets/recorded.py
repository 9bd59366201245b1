"""What every reader of a data set yields, and how a table is opened; it must not know any one data set.

No set names a patient, so a reader makes up neutral names from the id; ids of different sets lie in ranges of their own, so that
two sets in one database never take each other's patients for their own.
"""

import csv
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TextIO

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
LARGEST_ID = 2**53 - 1
#: Beyond these a date is a slip of the pen, or too far for a clock with a zone.
FIRST_YEAR, LAST_YEAR = 1900, 2300
#: What is shown of a wrong value: a cell may hold anything.
LONGEST_QUOTE = 40

GIVEN_NAMES = (
    *("Alba", "Bruno", "Clara", "Dario", "Elena", "Fabio", "Greta", "Hugo"),
    *("Irene", "Jonas", "Karin", "Louis", "Marta", "Nadia", "Oscar", "Paula"),
    *("Quentin", "Rita", "Simon", "Tessa", "Ulrich", "Vera", "Walter", "Xenia"),
    *("Yann", "Zora", "Agnes", "Boris", "Celia", "Denis", "Edith", "Felix"),
)
FAMILY_NAMES = (
    *("Acker", "Berger", "Carvalho", "Dumont", "Engel", "Ferreira", "Garnier", "Hoffer"),
    *("Ivanov", "Jensen", "Keller", "Lambert", "Moreau", "Novak", "Olsen", "Pereira"),
    *("Quiroga", "Romano", "Sander", "Tavares", "Unger", "Vargas", "Weber", "Xavier"),
    *("Young", "Zeller", "Almeida", "Bauer", "Costa", "Duarte", "Esposito", "Faber"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAppointment:
    """One appointment of a data set; moments are wall times of the hospital, without a zone."""

    line: int
    appointment_id: int
    patient_id: int
    doctor_id: int
    doctor: str
    prestation_id: int
    prestation: str
    exclusive: bool
    expected_minutes: int
    scheduled_at: datetime
    #: When the set has them; a set with only a start leaves `ended` open.
    started: datetime | None = None
    ended: datetime | None = None
    #: False: the patient never came.
    attended: bool = True
    specialization: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not taken, and why, in words for a person; `file` where a set has several."""

    line: int
    why: str
    file: str = ""


@dataclass(frozen=True)
class RecordedSet:
    """A data set as read: every row is in `appointments` or in `refused`."""

    name: str
    appointments: tuple[RecordedAppointment, ...]
    refused: tuple[RefusedRow, ...]
    #: What the set lacks and how it was made good, one sentence each.
    notes: tuple[str, ...] = ()
    #: The dates of two patients cannot be compared: each patient's were moved by an unknown number of days.
    dates_are_shifted: bool = False


class NotADataSetError(Exception):
    """The file cannot be read as any data set that is known."""


class WrongRowError(Exception):
    """This row cannot be taken; the message says why."""


@dataclass
class Taken:
    """Collects rows one by one: each is kept once, or refused with its line."""

    file: str
    refused: list[RefusedRow] = field(default_factory=list)
    _lines: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def row(self, line: int) -> Iterator[None]:
        """Inside, a `WrongRowError` becomes a refused row."""
        try:
            yield
        except WrongRowError as wrong:
            self.refused.append(RefusedRow(line, str(wrong), self.file))

    def once(self, appointment_id: int, line: int, name: str) -> None:
        """Refuse a row whose appointment was read before."""
        if (first := self._lines.setdefault(appointment_id, line)) != line:
            raise WrongRowError(f"{name} is the same as on line {first}")


def read_table(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The header of a CSV file, packed or not, and its rows with their line numbers.

    Raises `NotADataSetError` when the file is not readable text in columns, at the header or at any later row.
    """
    rows = _rows(path)
    header = next(rows, (0, []))[1]
    return header, ((line, dict(zip(header, row, strict=False))) for line, row in rows if row)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with _text(path) as opened:
            reader = csv.reader(opened, strict=True)
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, zlib.error) as unreadable:
        why = getattr(unreadable, "strerror", None) or str(unreadable) or type(unreadable).__name__
        raise NotADataSetError(f"{path}: cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise NotADataSetError(f"{path}: is not UTF-8 text") from None
    except csv.Error as wrong:
        raise NotADataSetError(f"{path}: is not a table: {wrong}") from None


def _text(path: Path) -> TextIO:
    with path.open("rb") as opened:
        packed = opened.read(2) == b"\x1f\x8b"
    if packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open("rt", encoding="utf-8-sig", newline="")


def cell(row: dict[str, str], column: str) -> str:
    """The trimmed text of a column."""
    if column not in row:
        raise WrongRowError(f"the row is too short: {column} is missing")
    text = row[column].strip()
    if CONTROL.search(text):
        raise WrongRowError(f"{column} holds control characters")
    return text


def whole_number(row: dict[str, str], column: str, largest: int = LARGEST_ID) -> int:
    """A column's value as an integer from 1 to `largest`; never by way of a float, which would round a long id."""
    text = cell(row, column)
    if not (text.isascii() and text.isdigit()):
        raise WrongRowError(f"{column} {text[:LONGEST_QUOTE]!r} is not a whole number")
    if len(text) > len(str(LARGEST_ID)) or not 1 <= int(text) <= largest:
        raise WrongRowError(f"{column} {text[:LONGEST_QUOTE]} is not between 1 and {largest}")
    return int(text)


def moment(row: dict[str, str], column: str) -> datetime:
    """A column's value as a wall time; a zone that the set writes by habit is dropped."""
    text = cell(row, column)
    try:
        found = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise WrongRowError(f"{column} {text[:LONGEST_QUOTE]!r} is not a date and time") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise WrongRowError(f"{column} {text[:LONGEST_QUOTE]!r} is not between {FIRST_YEAR} and {LAST_YEAR}")
    return found


def number_of(*words: str) -> int:
    """A number below 2^40 that always is the same for the same words."""
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:5], "big")


def made_up_name(patient_id: int) -> tuple[str, str]:
    """A neutral first and last name for a patient whom the set does not name; the id keeps two of one name apart."""
    number = number_of(str(patient_id))
    given, family = GIVEN_NAMES[number % 32], FAMILY_NAMES[number // 32 % 32]
    return given, f"{family} {patient_id % 10_000:04d}"


def busiest_day(appointments: Iterable[RecordedAppointment]) -> date:
    """The day with the most appointments, the earliest of several."""
    many: dict[date, int] = {}
    for appointment in appointments:
        day = appointment.scheduled_at.date()
        many[day] = many.get(day, 0) + 1
    return min(many, key=lambda day: (-many[day], day))
