"""A hospital's table: its header and its rows, from a CSV file or from a sheet of a workbook (XLSX)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from patient_visit_engine.cli.own_tables.cell_values import CellValue, display

#: The limits of a file. A file beyond them is refused as a whole, before anything is sent.
MAX_ROWS = 2_000_000
MAX_COLUMNS = 1_000
MAX_CELL_LENGTH = 100_000


class UnreadableTableError(Exception):
    """The file cannot be read as a table with this map. The message is one line for a person."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row with its line, which is the first one if a cell has line breaks. Workbooks also have a number format for each cell."""

    line: int
    cells: tuple[CellValue, ...]
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A file with a header. `read` opens the file again and gives all rows, the header included."""

    path: Path
    read: Callable[[], Iterator[TableRow]]
    header: TableRow
    #: The name of the sheet of a workbook. None for CSV.
    sheet: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return column_names(self.header)

    def rows(self) -> Iterator[TableRow]:
        """The rows below the header that are not empty. Raises `UnreadableTableError`, now or at any later row."""
        for row in checked_rows(self.path, self.read()):
            if row.line != self.header.line:
                yield row


def column_names(header: TableRow) -> tuple[str, ...]:
    """The names in a header, without spaces around them and without a byte order mark."""
    return tuple(display(cell).removeprefix("\ufeff").strip() for cell in header.cells)


def checked_rows(path: Path, rows: Iterator[TableRow]) -> Iterator[TableRow]:
    """The rows that are not empty. Raises `UnreadableTableError` at the first row beyond a limit."""
    for number, row in enumerate(rows, 1):
        if number > MAX_ROWS:
            raise UnreadableTableError(f"{path}: has more than {MAX_ROWS:,} rows: split it")
        if len(row.cells) > MAX_COLUMNS:
            raise UnreadableTableError(f"{path}: line {row.line} has more than {MAX_COLUMNS:,} columns")
        if any(isinstance(cell, str) and len(cell) > MAX_CELL_LENGTH for cell in row.cells):
            raise UnreadableTableError(
                f"{path}: line {row.line} has a cell of more than {MAX_CELL_LENGTH:,} characters"
            )
        if any(not (cell is None or (isinstance(cell, str) and not cell.strip())) for cell in row.cells):
            yield row


def check_header(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    """Raise `UnreadableTableError` when a column is there twice, or a column of the map is missing."""
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise UnreadableTableError(f"{path}: the header has the column {twice[0]!r} twice: rename one of them")
    missing = [name for name in needed if name not in names]
    if missing:
        present = ", ".join(repr(name[:40]) for name in names[:20] if name)
        raise UnreadableTableError(f"{path}: the header has no column {missing[0]!r}. It has {present}")
