"""Lists the refused rows of an import, writes them to a file, and counts all rows."""

from dataclasses import dataclass, field

from rich.console import Console

from patient_visit_engine.cli.own_tables.feeding import RowOutcome
from patient_visit_engine.cli.own_tables.refused_rows import RefusedRowWriter
from patient_visit_engine.cli.own_tables.tables import Table

EXIT_SOME_REFUSED, EXIT_ALL_REFUSED = 3, 4
#: Characters of a refused value that the list shows. A cell can contain anything.
MAX_QUOTE_LENGTH = 60


@dataclass
class RowTally:
    """Counts of rows."""

    accepted: int = 0
    refused: int = 0
    #: Rows with a record for which the system has something newer.
    older: int = 0

    @property
    def exit_code(self) -> int:
        """0: no row was refused, 3: some were, 4: all were."""
        if not self.refused:
            return 0
        return EXIT_SOME_REFUSED if self.accepted else EXIT_ALL_REFUSED


@dataclass
class RowReport:
    """Prints the refused rows, writes them to the file, and counts all."""

    console: Console
    show: int | None
    refused_file: RefusedRowWriter | None
    tally: RowTally = field(default_factory=RowTally)

    def add(self, table: Table, outcome: RowOutcome) -> None:
        """Count the row, and list it if it was refused."""
        if outcome.older:
            self.tally.older += 1
            if self.show is None or self.tally.older <= self.show:
                self._print(
                    f"older: {table.path.name} line {outcome.row.line}: the system has a newer {outcome.older[0]}"
                )
        if outcome.refusal is None:
            self.tally.accepted += 1
            return
        self.tally.refused += 1
        if self.refused_file is not None:
            self.refused_file.write(outcome.row)
        if self.show is None or self.tally.refused <= self.show:
            refusal = outcome.refusal
            cell = f", {refusal.column}: {_quote(refusal.value)}" if refusal.column else ""
            self._print(f"refused: {table.path.name} line {outcome.row.line}{cell}: {refusal.reason}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)

    def end(self) -> None:
        """Print what the limit left out."""
        if self.show is not None and self.tally.refused > self.show:
            more = self.tally.refused - self.show
            self._print(f"refused: {more} more (print all with --show {self.tally.refused})")


def _quote(value: str) -> str:
    return repr(value if len(value) <= MAX_QUOTE_LENGTH else value[:MAX_QUOTE_LENGTH] + "...")
