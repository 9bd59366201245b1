"""Opens a file with a map: finds out by its first bytes whether it is a workbook, and checks its header."""

from collections.abc import Callable, Iterator
from pathlib import Path

from patient_visit_engine.cli.own_tables import workbooks
from patient_visit_engine.cli.own_tables.csv_files import csv_rows
from patient_visit_engine.cli.own_tables.map_file import TableMap
from patient_visit_engine.cli.own_tables.tables import Table, TableRow, UnreadableTableError, check_header, checked_rows

#: What to do about files of other programs, by their first bytes.
OTHER_FILES = {
    b"\xd0\xcf\x11\xe0": "is an old workbook (XLS), or has a password: save it as XLSX without a password",
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"%PDF": "is a PDF, and not a table",
}
WORKBOOK = b"PK\x03\x04"


def is_workbook(path: Path) -> bool:
    """Whether the file is a workbook, and otherwise text. Raises `UnreadableTableError` when it is neither."""
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
    except OSError as error:
        raise UnreadableTableError(f"{path}: cannot be read: {error.strerror}") from None
    for first_bytes, reason in OTHER_FILES.items():
        if beginning.startswith(first_bytes):
            raise UnreadableTableError(f"{path}: {reason}")
    if not beginning:
        raise UnreadableTableError(f"{path}: is empty")
    return beginning.startswith(WORKBOOK)


def open_table(path: Path, table_map: TableMap) -> Table:
    """The table in this file. Raises `UnreadableTableError` when it does not fit the map."""
    table = open_unmapped(path, table_map.encoding, table_map.delimiter, table_map.sheet)
    check_header(path, table.names, table_map.columns)
    return table


def open_unmapped(path: Path, encoding: str | None, delimiter: str | None, sheet: str | None) -> Table:
    """The table in this file, of which only the header is checked to exist. Raises `UnreadableTableError`."""
    read: Callable[[], Iterator[TableRow]]
    sheet_name: str | None = None
    if is_workbook(path):
        sheet_name = name = workbooks.find_sheet(path, sheet)

        def read() -> Iterator[TableRow]:
            return workbooks.workbook_rows(path, name)
    else:
        if encoding is None or delimiter is None:
            missing = "encoding" if encoding is None else "delimiter"
            raise UnreadableTableError(f"{path}: is a CSV file, so the map needs `{missing}`")
        declared_encoding, declared_delimiter = encoding, delimiter

        def read() -> Iterator[TableRow]:
            return csv_rows(path, declared_encoding, declared_delimiter)

    header = next(checked_rows(path, read()), None)
    if header is None:
        raise UnreadableTableError(f"{path}: has no header")
    return Table(path, read, header, sheet_name)
