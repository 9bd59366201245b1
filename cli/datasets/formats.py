"""Which reader a file or folder is for, by its header and never by its name; it must not know what is done with the rows."""

from pathlib import Path

from patient_visit_engine.cli.datasets import hangu, mimic, no_show
from patient_visit_engine.cli.datasets.rows import NotADataSetError, RecordedSet, read_table

READERS = (no_show, mimic, hangu)


def read(path: Path) -> list[RecordedSet]:
    """The data sets in a file, or in a folder of MIMIC-IV tables.

    Raises `NotADataSetError` with one line for a person: no such file, not a table, a table of no known set, or broken off.
    """
    if path.is_dir():
        return [mimic.read(table) for table in mimic.tables_in(path)]
    header, _ = read_table(path)
    for reader in READERS:
        if reader.recognises(header):
            return [reader.read(path)]
    raise NotADataSetError(
        f"{path}: its columns are those of no known data set (no-show, MIMIC procedureevents or transfers, Hangu Data.csv)"
    )
