"""Finds the reader for a file or folder. It looks at the header, never at the file's name."""

from collections.abc import Sequence
from pathlib import Path

from patient_visit_engine.cli.datasets import hangu, mimic, no_show
from patient_visit_engine.cli.datasets.csv_table import NotADataSetError, read_table
from patient_visit_engine.cli.datasets.recorded import RecordedSet

#: A table belongs to a set if its header has all columns of one of the set's `COLUMN_SETS`.
READERS = (no_show, mimic, hangu)
#: Separators that spreadsheet programs write instead of commas.
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_data_sets(path: Path) -> list[RecordedSet]:
    """The data sets in a file, or in a folder of MIMIC-IV tables.

    Raises `NotADataSetError` with one line for a person: the file is missing, is not a table, has unknown columns, or is cut off.
    """
    if path.is_dir():
        return [mimic.read(table) for table in mimic.find_tables(path)]
    header, _ = read_table(path)
    for reader in READERS:
        if any(columns <= frozenset(header) for columns in reader.COLUMN_SETS):
            return [reader.read(path)]
    _check_separator(path, header)
    raise NotADataSetError(
        f"{path}: unknown columns: supported are no-show, MIMIC procedureevents or transfers, and Hangu Data.csv"
    )


def _check_separator(path: Path, header: Sequence[str]) -> None:
    """Raise `NotADataSetError` when another separator than the comma makes the header one of a data set."""
    for separator, name in SEPARATORS.items():
        columns = frozenset(column for cell in header for column in cell.split(separator))
        if any(known <= columns for reader in READERS for known in reader.COLUMN_SETS):
            raise NotADataSetError(
                f"{path}: separated by {name}, and the published sets by commas: export it again with commas"
            )
