"""How a replay went, as a table and an exit code; it must not know how it was driven."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from patient_visit_engine.cli.replay.drive import Tally
from patient_visit_engine.cli.replay.listen import Heard


@dataclass(frozen=True)
class Result:
    """A replay's end; `published` and `holds` are None when the database was not looked at."""

    tally: Tally
    heard: Sequence[Heard]
    published: int | None
    holds: bool | None
    seconds: float

    @property
    def failures(self) -> list[str]:
        """Why the replay ends with 1; empty when all was as promised."""
        found = []
        if self.holds is False:
            found.append("the audit found the rule broken")
        if any(not heard.is_as_promised for heard in self.heard):
            found.append("the event stream lost, repeated, reordered or invented events")
        if self.tally.errors:
            found.append("requests failed")
        return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank); 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def table(result: Result) -> Table:
    """The numbers, a line each."""
    tally = result.tally
    shown = Table("", "", show_header=False, pad_edge=False)

    def line(name: str, value: object) -> None:
        shown.add_row(name, str(value))

    line("took", f"{result.seconds:.1f} s, starts at most {tally.behind:.2f} s behind their time")
    line("starts asked / granted", f"{tally.asked} / {tally.granted}")
    for code, count in sorted(tally.refused.items()):
        line(f"  refused: {code}", count)
    line("refused starts asked again", tally.retried)
    line("completions", tally.completed)
    line("undecided at first, asked again", tally.undecided)
    line("errors", sum(tally.errors.values()))
    for what, count in sorted(tally.errors.items()):
        line(f"  {what}", count)
    for name, values in (("start", tally.start_ms), ("complete", tally.complete_ms)):
        figures = " / ".join(f"{percentile(values, share):.1f}" for share in (0.50, 0.95, 0.99))
        line(f"{name}: p50 / p95 / p99 ms", figures)
    line("events published", "not looked at" if result.published is None else result.published)
    for heard in result.heard:
        faults = f"missing {heard.missing}, twice {heard.duplicate}, out of order {heard.out_of_order}"
        line(f"  {heard.name}: received", f"{heard.received} of {heard.expected}; {faults}, strange {heard.strangers}")
    verdict = {None: "not made", True: "the rule holds", False: "BROKEN"}[result.holds]
    line("audit", verdict)
    return shown
