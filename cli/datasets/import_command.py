"""`visit-engine import`: the command and what it says; it must not know SQL or any one set's columns.

Importing is history: it adds rows, changes none that is there, and appends no event. Every imported appointment is `scheduled`,
since whether a patient came is not a consultation that this engine has seen.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.cli.datasets import catalogue, imported_rows
from patient_visit_engine.cli.datasets.rows import NotADataSetError, RefusedRow
from patient_visit_engine.cli.migrate import schema
from patient_visit_engine.cli.progress import Bar
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load

MOST_REFUSALS_SHOWN = 1_000


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Data sets: CSV, packed or not, or a folder of MIMIC-IV tables.")],
    show: Annotated[
        int, typer.Option(min=0, help="How many refused rows to name, one line each, before only their number is told.")
    ] = MOST_REFUSALS_SHOWN,
) -> None:
    """Real appointments into the master data; a line for every row refused, and why. Nothing is changed, no event is sent."""
    settings = load()
    out, problems = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    try:
        # All are read before anything is written: a file that breaks off leaves nothing behind.
        sets = [found for file in files for found in catalogue.read(file)]
    except NotADataSetError as wrong:
        raise OperatorError(str(wrong), 2) from None
    schema(settings)
    try:
        with Bar(out) as bar:
            tally = imported_rows.run(settings.database, sets, settings.zone, bar)
    except (DBAPIError, OSError) as error:
        # Not the error's own text: it quotes the rows.
        lost = f"the database was lost on the way ({type(error).__name__}): the same import again adds what is missing"
        raise OperatorError(f"VISIT_DATABASE_URL: {lost}") from error
    for note in dict.fromkeys(note for found in sets for note in found.notes):
        out.print(f"note: {note}", markup=False, highlight=False)
    _name_refused(tally.refused, show, lambda line: problems.print(line, markup=False, highlight=False))
    out.print(imported_rows.summary(tally), markup=False, highlight=False)


def _name_refused(refused: Sequence[RefusedRow], show: int, say: Callable[[str], None]) -> None:
    for row in refused[:show]:
        say(f"refused: {row.file + ' ' if row.file else ''}line {row.line}: {row.why}")
    if len(refused) > show:
        say(f"refused: {len(refused) - show} more (name them with --show {len(refused)})")
