"""`visit-engine import --map`: checks the tables, feeds them to the running system and prints what was refused."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
from rich.console import Console

from patient_visit_engine.cli.own_tables.feeding import MAX_ROWS_AT_ONCE, Feed, RowOutcome
from patient_visit_engine.cli.own_tables.map_file import TableMap, read_map
from patient_visit_engine.cli.own_tables.map_text import UnreadableMapError
from patient_visit_engine.cli.own_tables.opening import open_table
from patient_visit_engine.cli.own_tables.records import RefusedRowError, RowReader, check_constants
from patient_visit_engine.cli.own_tables.refused_rows import check_is_no_input, open_refused
from patient_visit_engine.cli.own_tables.row_report import RowReport, RowTally
from patient_visit_engine.cli.own_tables.sending import NoAnswerError, RecordSender
from patient_visit_engine.cli.own_tables.system import connect
from patient_visit_engine.cli.own_tables.tables import Table, TableRow, UnreadableTableError
from patient_visit_engine.cli.progress import ProgressDisplay
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

EXIT_UNREADABLE = 2
NOTE_OF_DRY_RUN = (
    "dry run: nothing was sent. Times are read in VISIT_TIMEZONE. Only the system can check references and conflicts"
)


@dataclass(frozen=True)
class ImportOptions:
    """What the person at the terminal asks for. `show` limits the printed refusals; None prints all."""

    dry_run: bool = False
    refused: Path | None = None
    show: int | None = None
    url: str = ""
    token_file: Path | None = None


def import_tables(settings: Settings, map_path: Path, files: Sequence[Path], options: ImportOptions) -> int:
    """Import the tables and return the exit code. Raises `OperatorError`."""
    console, listing = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    if console.is_terminal and listing.is_terminal:
        # Lines of another console would be written into the bar.
        listing = console
    try:
        table_map = read_map(map_path)
        check_constants(table_map, settings.zone)
        # All files are read before anything is sent, so a file that is cut off sends no rows.
        tables = [open_table(file, table_map) for file in files]
        with ExitStack() as stack:
            progress = stack.enter_context(ProgressDisplay(console))
            counts = [_count_rows(table, progress) for table in tables]
            refused_file = None
            if options.refused is not None:
                check_is_no_input(options.refused, [map_path, *files])
                refused_file = stack.enter_context(open_refused(options.refused, table_map, tables))
            report = RowReport(listing, options.show, refused_file)
            work = TableImport(table_map, list(zip(tables, counts, strict=True)), report, progress)
            if options.dry_run:
                work.check(settings.zone)
            else:
                with _interruptible(report):
                    asyncio.run(work.feed(settings, options))
    except UnreadableMapError as error:
        text = str(error)
        raise OperatorError(
            text if text.startswith(str(map_path)) else f"{map_path}: {text}", EXIT_UNREADABLE
        ) from None
    except UnreadableTableError as error:
        raise OperatorError(str(error), EXIT_UNREADABLE) from None
    report.end()
    console.print(_summary(report.tally, options), markup=False, highlight=False)
    return report.tally.exit_code


def _count_rows(table: Table, progress: ProgressDisplay) -> int:
    progress.begin(f"reading {table.path.name}", 0)
    return sum(1 for _ in table.rows())


def _summary(tally: RowTally, options: ImportOptions) -> str:
    done = "would be sent" if options.dry_run else "accepted"
    lines = [NOTE_OF_DRY_RUN] if options.dry_run else []
    older = f", {tally.older} with something newer in the system" if tally.older else ""
    lines.append(f"rows: {tally.accepted} {done}{older}, {tally.refused} refused")
    if options.refused is not None and tally.refused:
        lines.append(f"refused rows: correct them in {options.refused}, and import this file with the same map")
    return "\n".join(lines)


@contextmanager
def _interruptible(report: RowReport) -> Iterator[None]:
    """Say after Ctrl-C, or when the system is away, what was done and that the import can be repeated."""
    try:
        yield
    except KeyboardInterrupt:
        raise OperatorError(f"import: stopped {_progress(report.tally)}", 130) from None
    except NoAnswerError as error:
        raise OperatorError(f"import: {error}: stopped {_progress(report.tally)}") from None


def _progress(tally: RowTally) -> str:
    rows = f"after {tally.accepted} accepted and {tally.refused} refused rows"
    return f"{rows}. Run the same command again: rows that are there already change nothing"


@dataclass(frozen=True)
class TableImport:
    """The tables with the number of their rows."""

    table_map: TableMap
    tables: list[tuple[Table, int]]
    report: RowReport
    progress: ProgressDisplay

    def check(self, zone: ZoneInfo) -> None:
        """Read every row as an import does, and send nothing."""
        for table, count in self.tables:
            reader = RowReader(self.table_map, table, zone)
            self.progress.begin(f"checking {table.path.name}", count)
            for row in table.rows():
                self.report.add(table, _check_row(row, reader))
                self.progress.advance()

    async def feed(self, settings: Settings, options: ImportOptions) -> None:
        """Send every row. Raises `NoAnswerError` or `OperatorError` when the system is away or does not accept the token."""
        limits = httpx.Limits(max_connections=4 * MAX_ROWS_AT_ONCE, max_keepalive_connections=4 * MAX_ROWS_AT_ONCE)
        async with connect(settings, options.url, options.token_file, limits) as (client, zone):
            await self.feed_with(client, zone)

    async def feed_with(self, client: httpx.AsyncClient, zone: ZoneInfo) -> None:
        """Send every row with this client."""
        feed = Feed(RecordSender(client))
        for table, count in self.tables:
            reader = RowReader(self.table_map, table, zone)
            self.progress.begin(f"importing {table.path.name}", count)
            async for outcome in feed.run(table.rows(), reader):
                self.report.add(table, outcome)
                self.progress.advance(note=f"refused {self.report.tally.refused}" if self.report.tally.refused else "")


def _check_row(row: TableRow, reader: RowReader) -> RowOutcome:
    try:
        reader.read(row)
    except RefusedRowError as error:
        return RowOutcome(row, error.refusal)
    return RowOutcome(row)
