"""Reads CSV tables and checks the values of their rows."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TextIO

from patient_visit_engine.cli.datasets.recorded import RefusedRow
from patient_visit_engine.wire.field_types import MAX_ID

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: A date outside these years is a typing mistake, or too far away for a clock with a time zone.
FIRST_YEAR, LAST_YEAR = 1900, 2300
#: Characters of a wrong value that an error shows. A cell can contain anything.
MAX_QUOTE_LENGTH = 40


class NotADataSetError(Exception):
    """The file cannot be read as a supported data set."""


class InvalidRowError(Exception):
    """The row cannot be imported. The message gives the reason."""


@dataclass
class RowCollector:
    """Collects the refused rows of one file and finds repeated appointments."""

    file: str
    refused: list[RefusedRow] = field(default_factory=list)
    _line_of_appointment: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def refuse_invalid(self, line: int) -> Iterator[None]:
        """Turn an `InvalidRowError` inside the block into a refused row."""
        try:
            yield
        except InvalidRowError as error:
            self.refused.append(RefusedRow(line, str(error), self.file))

    def check_unique(self, appointment_id: int, line: int, name: str) -> None:
        """Raise `InvalidRowError` if an earlier line has the same appointment."""
        if (first_line := self._line_of_appointment.setdefault(appointment_id, line)) != line:
            raise InvalidRowError(f"{name} is the same as on line {first_line}")


def read_table(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The header of a CSV file (plain or gzip), and its rows with their line numbers.

    Raises `NotADataSetError`, now or at any later row, when the file is not UTF-8 text in columns.
    """
    rows = _read_rows(path)
    header = next(rows, (0, []))[1]
    return header, ((line, dict(zip(header, row, strict=False))) for line, row in rows if row)


def _read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with _open_text(path) as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotADataSetError(f"{path}: cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise NotADataSetError(f"{path}: is not UTF-8 text") from None
    except csv.Error as error:
        raise NotADataSetError(f"{path}: is not a table: {error}") from None


def _open_text(path: Path) -> TextIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open("rt", encoding="utf-8-sig", newline="")


def cell(row: dict[str, str], column: str) -> str:
    """The trimmed text of a column."""
    if column not in row:
        raise InvalidRowError(f"the row is too short: {column} is missing")
    text = row[column].strip()
    if CONTROL_CHARACTERS.search(text):
        raise InvalidRowError(f"{column} contains control characters")
    return text


def integer_cell(row: dict[str, str], column: str, maximum: int = MAX_ID) -> int:
    """A column's value as an integer from 1 to `maximum`. Never parsed as a float, which would round a long id."""
    text = cell(row, column)
    if not (text.isascii() and text.isdigit()):
        raise InvalidRowError(f"{column} {text[:MAX_QUOTE_LENGTH]!r} is not a whole number")
    if len(text) > len(str(MAX_ID)) or not 1 <= int(text) <= maximum:
        raise InvalidRowError(f"{column} {text[:MAX_QUOTE_LENGTH]} is not between 1 and {maximum}")
    return int(text)


def datetime_cell(row: dict[str, str], column: str) -> datetime:
    """A column's value as a local time. The `Z` of some sets is dropped, because their times are not in UTC."""
    text = cell(row, column)
    try:
        value = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise InvalidRowError(f"{column} {text[:MAX_QUOTE_LENGTH]!r} is not a date and time") from None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise InvalidRowError(f"{column} {text[:MAX_QUOTE_LENGTH]!r} is not between {FIRST_YEAR} and {LAST_YEAR}")
    return value
