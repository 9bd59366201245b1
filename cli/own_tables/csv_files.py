"""Reads CSV files with the encoding and the delimiter that the map declares."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from patient_visit_engine.cli.own_tables.tables import MAX_CELL_LENGTH, MAX_COLUMNS, TableRow, UnreadableTableError

#: The longest line of a file. Without a limit, a file without line breaks would be read at once.
MAX_LINE_LENGTH = 2 * MAX_CELL_LENGTH


def csv_rows(path: Path, encoding: str, delimiter: str) -> Iterator[TableRow]:
    """All rows of the file. Raises `UnreadableTableError`, now or at any later row."""
    line = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.reader(_lines(path, file), delimiter=delimiter, strict=True)
            for cells in reader:
                yield TableRow(line + 1, tuple(cells))
                line = reader.line_num
    except OSError as error:
        raise UnreadableTableError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise UnreadableTableError(f"{path}: is not {encoding} text after line {line}: correct `encoding`") from None
    except csv.Error as error:
        reason = "a quote that does not end" if "field limit" in str(error) or "end of data" in str(error) else error
        raise UnreadableTableError(f"{path}: line {line + 1}: is not CSV: {reason}") from None


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    while text := file.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(text) > MAX_LINE_LENGTH:
            raise UnreadableTableError(f"{path}: line {number} has more than {MAX_LINE_LENGTH:,} characters")
        yield text


def check_width(row: TableRow, width: int) -> str | None:
    """Why the row does not fit its header, or None. An unquoted delimiter in a text moves all cells after it."""
    more = [cell for cell in row.cells[width:] if cell]
    if more or len(row.cells) > MAX_COLUMNS:
        return f"has {len(row.cells)} cells, and the header {width}: quote the text that contains the delimiter"
    return f"has {len(row.cells)} cells, and the header {width}: the row is cut off" if len(row.cells) < width else None
