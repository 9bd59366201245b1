"""`visit-engine import`: adds data sets to the master data and prints what was added and refused.

With `--map` or `--suggest` it is about a hospital's own tables: see `cli.own_tables`. An import of data sets only adds rows. It
changes no existing row and appends no event. Every imported appointment is `scheduled`: this engine has no consultation for it, even
if the patient came.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.cli.datasets import importer
from patient_visit_engine.cli.datasets.csv_table import NotADataSetError
from patient_visit_engine.cli.datasets.formats import read_data_sets
from patient_visit_engine.cli.datasets.recorded import RefusedRow
from patient_visit_engine.cli.migrate import migrate_schema
from patient_visit_engine.cli.own_tables.command import ImportOptions, import_tables
from patient_visit_engine.cli.own_tables.suggest import suggest_map
from patient_visit_engine.cli.progress import ProgressDisplay
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load_settings

MAX_REFUSED_ROWS_SHOWN = 1_000
#: The exit code when no row of any file is in the database.
EXIT_ALL_ROWS_REFUSED = 4


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Data sets (CSV, plain or gzip, or a folder of MIMIC-IV tables), or with --map own tables."
        ),
    ],
    map_file: Annotated[Path | None, typer.Option("--map", help="The map of your own tables (YAML).")] = None,
    suggest: Annotated[bool, typer.Option("--suggest", help="Print a first map for this table, and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --map: check the rows, and send nothing.")] = False,
    refused: Annotated[
        Path | None, typer.Option(help="With --map: write the refused rows to this file, to correct and import it.")
    ] = None,
    url: Annotated[
        str, typer.Option(help="With --map: the address of the running system. By default the one on this machine.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="With --map: a file with a bearer token. By default one is signed here.")
    ] = None,
    show: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"How many refused rows to print one by one. By default all, and {MAX_REFUSED_ROWS_SHOWN} of data sets.",
        ),
    ] = None,
) -> None:
    """Import your own tables with --map, or published data sets without it. Data sets change no row and send no event."""
    if suggest:
        if map_file is not None or len(files) != 1:
            raise OperatorError("--suggest: takes one file, and no --map", 2)
        suggest_map(files[0])
    elif map_file is not None:
        options = ImportOptions(dry_run=dry_run, refused=refused, show=show, url=url, token_file=token_file)
        raise typer.Exit(import_tables(load_settings(), map_file, files, options))
    elif dry_run or refused is not None or url or token_file is not None:
        raise OperatorError("--dry-run, --refused, --url and --token-file need --map MAP.yaml", 2)
    else:
        _import_data_sets(files, MAX_REFUSED_ROWS_SHOWN if show is None else show)


def _import_data_sets(files: Sequence[Path], show: int) -> None:
    settings = load_settings()
    console, error_console = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    try:
        # All files are read before anything is written, so a file that is cut off leaves no rows behind.
        data_sets = [data_set for file in files for data_set in read_data_sets(file)]
    except NotADataSetError as error:
        raise OperatorError(str(error), 2) from None
    migrate_schema(settings)
    try:
        with ProgressDisplay(console) as progress:
            tally = importer.import_all(settings.effective_database_url, data_sets, settings.zone, progress)
    except (DBAPIError, OSError) as error:
        # Only the error's class: its text quotes the rows.
        reason = f"the import lost the database ({type(error).__name__}): run it again to add the missing rows"
        raise OperatorError(f"VISIT_DATABASE_URL: {reason}") from error
    for note in dict.fromkeys(note for data_set in data_sets for note in data_set.notes):
        console.print(f"note: {note}", markup=False, highlight=False)
    _print_refused(tally.refused, show, lambda line: error_console.print(line, markup=False, highlight=False))
    console.print(importer.summary(tally), markup=False, highlight=False)
    if tally.refused and not tally.taken:
        raise typer.Exit(EXIT_ALL_ROWS_REFUSED)


def _print_refused(refused: Sequence[RefusedRow], show: int, print_line: Callable[[str], None]) -> None:
    for row in refused[:show]:
        print_line(f"refused: {row.file + ' ' if row.file else ''}line {row.line}: {row.reason}")
    if len(refused) > show:
        print_line(f"refused: {len(refused) - show} more (print all with --show {len(refused)})")
