"""Reads sheets of workbooks (XLSX): values only, never macros, never the result of a formula that was not stored."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from patient_visit_engine.cli.own_tables.cell_values import CellValue, EmptyFormula, ErrorCell, is_empty
from patient_visit_engine.cli.own_tables.tables import TableRow, UnreadableTableError

#: The unpacked size of all parts of a workbook. A small file can unpack to very much.
MAX_UNPACKED_BYTES = 1024**3
#: Bytes at the beginning of a part in which a document type would be declared. A workbook has none.
BEGINNING_BYTES = 4096
CHUNK_BYTES = 1024**2
#: What openpyxl raises for files that are no workbooks, or are cut off.
DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    InvalidFileException,
)


def find_sheet(path: Path, sheet: str | None) -> str:
    """The sheet with this name, or the only sheet with content. Raises `UnreadableTableError`."""
    names = sheets_with_content(path)
    if sheet is not None:
        if sheet not in names:
            raise UnreadableTableError(f"{path}: has no sheet {sheet!r} with content. It has {_listed(names)}")
        return sheet
    if len(names) > 1:
        raise UnreadableTableError(f"{path}: has the sheets {_listed(names)}: name one with `sheet:` in the map")
    if not names:
        raise UnreadableTableError(f"{path}: has no sheet with content")
    return names[0]


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def sheets_with_content(path: Path) -> list[str]:
    """The names of the sheets that are not empty. Raises `UnreadableTableError` when the file is no workbook."""
    with _readable(path):
        with path.open("rb") as file:
            _check_parts(path, file)
        with _opened(path) as workbook:
            return [str(worksheet.title) for worksheet in workbook.worksheets if _has_content(worksheet)]


def _check_parts(path: Path, file: Any) -> None:
    with zipfile.ZipFile(file) as parts:
        if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED_BYTES:
            limit = MAX_UNPACKED_BYTES // 1024**2
            raise UnreadableTableError(f"{path}: unpacks to more than {limit:,} MiB: save the sheet as CSV")
        for name in parts.namelist():
            if name.endswith((".xml", ".rels")):
                with parts.open(name) as part:
                    if b"<!DOCTYPE" in part.read(BEGINNING_BYTES):
                        raise UnreadableTableError(f"{path}: declares a document type, which no workbook needs")


def workbook_rows(path: Path, sheet: str) -> Iterator[TableRow]:
    """All rows of the sheet. Raises `UnreadableTableError`, now or at any later row."""
    with _readable(path), _opened(path) as workbook:
        rows = _rows_of(workbook[sheet])
        if not _has_formulas(path):
            for line, cells in enumerate(rows, 1):
                yield _table_row(line, cells, repeat(None))
            return
        # openpyxl gives either the values or the formulas. A formula without a stored value is visible in both only.
        with _opened(path, data_only=False) as formulas:
            pairs = zip(rows, _rows_of(formulas[sheet]), strict=True)
            for line, (cells, formula_cells) in enumerate(pairs, 1):
                yield _table_row(line, cells, formula_cells)


def _table_row(line: int, cells: Any, formula_cells: Any) -> TableRow:
    values = tuple(_value(cell, formula) for cell, formula in zip(cells, formula_cells, strict=False))
    return TableRow(line, values, tuple(cell.number_format or "General" for cell in cells))


def _value(cell: Any, formula: Any) -> CellValue:
    if formula is not None and cell.value is None and formula.data_type == "f":
        return EmptyFormula(str(getattr(formula.value, "text", formula.value)))
    value: CellValue = cell.value
    return ErrorCell(str(value)) if cell.data_type == "e" else value


def _rows_of(worksheet: Any) -> Iterator[Any]:
    # A wrong size in the file would make each row a thousand cells longer.
    worksheet.reset_dimensions()
    rows: Iterator[Any] = worksheet.iter_rows()
    return rows


def _has_content(worksheet: Any) -> bool:
    rows = _rows_of(worksheet)
    return any(
        cell.value is not None and not (isinstance(cell.value, str) and is_empty(cell.value))
        for row in rows
        for cell in row
    )


def _has_formulas(path: Path) -> bool:
    with zipfile.ZipFile(path) as parts:
        for name in parts.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with parts.open(name) as part:
                    end = b""
                    while chunk := part.read(CHUNK_BYTES):
                        if b"<f>" in end + chunk or b"<f " in end + chunk:
                            return True
                        end = chunk[-2:]
    return False


@contextmanager
def _opened(path: Path, *, data_only: bool = True) -> Iterator[Any]:
    with path.open("rb") as file:
        workbook = load_workbook(file, read_only=True, data_only=data_only, keep_links=False)
        try:
            yield workbook
        finally:
            workbook.close()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the errors of a damaged workbook into `UnreadableTableError`, and ignore the warnings of openpyxl."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except DAMAGE as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise UnreadableTableError(f"{path}: cannot be read as a workbook: {reason}") from None
