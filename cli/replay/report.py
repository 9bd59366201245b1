"""The result of a replay, as a table and a list of failures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from patient_visit_engine.cli.replay.delivery import DeliveryCheck
from patient_visit_engine.cli.replay.tally import ReplayTally


@dataclass(frozen=True)
class ReplayResult:
    """All results of a replay. `published` and `rule_holds` are None when the database was not read."""

    tally: ReplayTally
    deliveries: Sequence[DeliveryCheck]
    published: int | None
    rule_holds: bool | None
    seconds: float

    @property
    def failures(self) -> list[str]:
        """The reasons for exit code 1. Empty when everything was as expected."""
        failures = []
        if self.rule_holds is False:
            failures.append("the audit found the rule broken")
        if any(not delivery.passed for delivery in self.deliveries):
            failures.append(
                "the event stream lost, repeated or reordered events, or sent events that are not in the log"
            )
        if self.tally.errors:
            failures.append("requests failed")
        if self.tally.lost_patients:
            failures.append("patients who came were neither seen, nor have left, nor are on the board")
        return failures


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank). 0 without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def call_rows(tally: ReplayTally) -> list[tuple[str, int]]:
    """The counts of refusals, and of a generated day's calls."""
    rows = [(f"refused: {code}", count) for code, count in sorted(tally.refused.items())]
    rows += [(f"answered: {command}", count) for command, count in sorted(tally.commands.items())]
    return rows + ([("not sent, because an earlier one was refused", tally.skipped)] if tally.commands else [])


def result_table(result: ReplayResult) -> Table:
    """The numbers of the result, one row each."""
    tally = result.tally
    table = Table("", "", show_header=False, pad_edge=False)

    def add_row(name: str, value: object) -> None:
        table.add_row(name, str(value))

    add_row("took", f"{result.seconds:.1f} s, starts at most {tally.max_start_lateness:.2f} s behind their time")
    add_row("starts requested / granted", f"{tally.requested} / {tally.granted}")
    for name, count in call_rows(tally):
        add_row(f"  {name}", count)
    if tally.commands:
        add_row("patients lost", len(tally.lost_patients))
    add_row("refused starts requested again", tally.retried)
    add_row("completions", tally.completed)
    add_row("undecided at first, sent again", tally.undecided)
    add_row("errors", sum(tally.errors.values()))
    for error, count in sorted(tally.errors.items()):
        add_row(f"  {error}", count)
    for name, values in (("start", tally.start_ms), ("complete", tally.complete_ms)):
        percentiles = " / ".join(f"{percentile(values, share):.1f}" for share in (0.50, 0.95, 0.99))
        add_row(f"{name}: p50 / p95 / p99 ms", percentiles)
    add_row("events published", "not read" if result.published is None else result.published)
    for delivery in result.deliveries:
        received = f"{delivery.received} of {delivery.expected}"
        faults = delivery.faults
        counts = f"missing {faults.missing}, twice {faults.duplicate}, out of order {faults.reordered}"
        add_row(f"  {delivery.name}: received", f"{received}; {counts}, unexpected {delivery.unexpected}")
    add_row("audit", {None: "not made", True: "the rule holds", False: "BROKEN"}[result.rule_holds])
    return table
