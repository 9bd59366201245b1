"""Writes the refused rows to a file in the format of the input. A person corrects the file and imports it with the same map."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from patient_visit_engine.cli.own_tables.cell_values import CellValue, EmptyFormula, ErrorCell
from patient_visit_engine.cli.own_tables.map_file import TableMap
from patient_visit_engine.cli.own_tables.tables import Table, TableRow, UnreadableTableError


class RefusedRowWriter(Protocol):
    """Takes the refused rows one by one."""

    def write(self, row: TableRow) -> None:
        """Add the row."""


def check_same_columns(tables: list[Table]) -> None:
    """Raise `UnreadableTableError` when the refused rows of these tables do not fit into one file."""
    first = tables[0]
    for table in tables[1:]:
        if table.names != first.names or (table.sheet is None) != (first.sheet is None):
            raise UnreadableTableError(
                f"{table.path}: has other columns than {first.path}: with --refused, import them one by one"
            )


def check_is_no_input(path: Path, inputs: Iterable[Path]) -> None:
    """Raise `UnreadableTableError` when the refused rows would replace the map or one of the tables."""
    if any(path.exists() and file.exists() and path.samefile(file) for file in inputs):
        raise UnreadableTableError(f"--refused: {path} is the map or one of the tables: name another file")


@contextmanager
def open_refused(path: Path, table_map: TableMap, tables: list[Table]) -> Iterator[RefusedRowWriter]:
    """Open the file for refused rows, with the header of the tables. Only its owner can read it, because it has patients.

    The file is complete when the context ends, also after an error. An older file stays until then.
    Raises `UnreadableTableError`.
    """
    check_same_columns(tables)
    new_file = path.with_name(f"{path.name}.new")
    try:
        new_file.unlink(missing_ok=True)
        descriptor = os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UnreadableTableError(f"--refused: {path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        writer = _WorkbookWriter(tables[0].sheet) if tables[0].sheet is not None else _CsvWriter(file, table_map)
        writer.write(tables[0].header)
        completed = False
        try:
            yield writer
            completed = True
        finally:
            writer.finish(file)
            # A run that ends before its first refusal must not replace the rows of the run before.
            if completed or writer.rows > 1:
                new_file.replace(path)
            else:
                new_file.unlink()


class _CsvWriter:
    def __init__(self, file: Any, table_map: TableMap) -> None:
        assert table_map.encoding is not None
        assert table_map.delimiter is not None
        self._text = open(  # noqa: SIM115, PTH123 - `finish` closes it
            os.dup(file.fileno()), "w", encoding=table_map.encoding, newline=""
        )
        self.rows = 0
        self._writer = csv.writer(self._text, delimiter=table_map.delimiter)

    def write(self, row: TableRow) -> None:
        self.rows += 1
        self._writer.writerow([str(cell) for cell in row.cells])

    def finish(self, _file: Any) -> None:
        self._text.close()


class _WorkbookWriter:
    def __init__(self, sheet: str) -> None:
        self._workbook = Workbook(write_only=True)
        self._sheet = self._workbook.create_sheet(sheet)
        self.rows = 0

    def write(self, row: TableRow) -> None:
        self.rows += 1
        formats = [*row.formats, *("General" for _ in row.cells[len(row.formats) :])]
        self._sheet.append([self._cell(cell, form) for cell, form in zip(row.cells, formats, strict=True)])

    def _cell(self, value: CellValue, number_format: str) -> Any:
        if value is None:
            return None
        content = value.text if isinstance(value, ErrorCell) else value
        cell = WriteOnlyCell(self._sheet, content.formula if isinstance(content, EmptyFormula) else content)
        if isinstance(value, str):
            # Otherwise a text that begins with `=` would become a formula.
            cell.data_type = "s"
        elif isinstance(value, ErrorCell):
            cell.data_type = "e"
        cell.number_format = number_format
        return cell

    def finish(self, file: Any) -> None:
        self._workbook.save(file)
