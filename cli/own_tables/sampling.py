"""Finds out by trial how a file is written: its encoding, its delimiter, and the patterns of its dates."""

import codecs
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from patient_visit_engine.cli.own_tables import patterns
from patient_visit_engine.cli.own_tables.tables import MAX_COLUMNS, UnreadableTableError

#: Lines that show the delimiter.
SAMPLE_LINES = 200
CHUNK_BYTES = 1024**2
DELIMITERS = (";", "\t", "|", ",")
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
#: The encoding of Windows in western Europe and America. Each text can be read with it, so it is a guess.
USUAL_ENCODING = "cp1252"
DATES = (
    *("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d"),
    *("%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y"),
)
TIMES = (
    "%H:%M",
    "%H:%M:%S",
    "%H:%M:%S.%f",
    "%I:%M %p",
    "%I:%M:%S %p",
    "%H:%M%z",
    "%H:%M:%S%z",
    "%H:%M:%S.%f%z",
    "%Hh%M",
)
MOMENTS = tuple(f"{day}{between}{time}" for day, between, time in product(DATES, (" ", "T", ", "), TIMES))


@dataclass(frozen=True)
class CsvStyle:
    """How a CSV file is written. `is_sure` is false if the encoding is only the usual one."""

    encoding: str
    delimiter: str
    is_sure: bool


def find_style(path: Path) -> CsvStyle:
    """How the file is written. Raises `UnreadableTableError` when it is no table."""
    encoding = _find_encoding(path)
    try:
        lines = _first_lines(path, encoding or USUAL_ENCODING)
    except (UnicodeError, OSError):
        raise UnreadableTableError(f"{path}: is no text, and so no table") from None
    if any("\0" in line for line in lines):
        raise UnreadableTableError(f"{path}: is no text, and so no table")
    widths = {delimiter: _width(lines, delimiter) for delimiter in DELIMITERS}
    delimiter = max(widths, key=lambda candidate: widths[candidate])
    if widths[delimiter] < 2:
        raise UnreadableTableError(f"{path}: is no table: its lines do not have the same columns")
    return CsvStyle(encoding or USUAL_ENCODING, delimiter, encoding is not None)


def _find_encoding(path: Path) -> str | None:
    """The encoding that the bytes show, or None. The whole file is read, because one accent at its end decides."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            beginning = file.read(4)
            for mark, encoding in BYTE_ORDER_MARKS:
                if beginning.startswith(mark):
                    return encoding
            decoder.decode(beginning)
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except OSError as error:
        raise UnreadableTableError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _first_lines(path: Path, encoding: str) -> list[str]:
    lines: list[str] = []
    with path.open(encoding=encoding, newline="") as file:
        while len(lines) < SAMPLE_LINES and (line := file.readline(CHUNK_BYTES)):
            lines.append(line)
    return lines


def _width(lines: Sequence[str], delimiter: str) -> int:
    """The number of columns if all rows have the same, otherwise 0."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row]
    except csv.Error:
        if len(lines) < SAMPLE_LINES:
            return 0
        # The sample may end within a cell.
        rows = []
        reader = csv.reader(lines, delimiter=delimiter)
        rows = [row for row in reader if row][:-1]
    widths = {len(row) for row in rows}
    return widths.pop() if len(widths) == 1 and max(widths) <= MAX_COLUMNS else 0


def fitting_patterns(texts: Sequence[str], candidates: Sequence[str]) -> list[str]:
    """The candidates with which each text can be read."""
    return [pattern for pattern in candidates if texts and all(_fits(text, pattern) for text in texts)]


def _fits(text: str, pattern: str) -> bool:
    try:
        patterns.parse(text, pattern)
    except ValueError:
        return False
    return True


def differ(texts: Sequence[str], first: str, second: str) -> bool:
    """Whether two fitting patterns give some text two meanings."""
    return any(patterns.parse(text, first) != patterns.parse(text, second) for text in texts)
