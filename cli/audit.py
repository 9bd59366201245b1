"""`visit-engine audit`: checks in the database that the rule was never broken, and prints the result with ids and without names."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from patient_visit_engine.cli.checked_database import open_checked
from patient_visit_engine.runtime.settings import load_settings
from patient_visit_engine.storage.upkeep.audit import AuditReport
from patient_visit_engine.storage.upkeep.audit import audit as audit_snapshot

MAX_SHOWN = 50


def audit(
    show: Annotated[
        int, typer.Option(min=0, help="How many violations to print one by one; the rest is only counted.")
    ] = MAX_SHOWN,
) -> None:
    """Check in the database that the rule was never broken, by overlaps, completions, events and state. Exit 1 if it was."""
    console = Console(soft_wrap=True)
    report = asyncio.run(audit_database(load_settings().effective_database_url))
    for line in report_lines(report, show):
        console.print(line, markup=False, highlight=False)
    if not report.passed:
        raise typer.Exit(1)


async def audit_database(url: str) -> AuditReport:
    """Audit the database at `url` on one snapshot. Raises `OperatorError` when it cannot be read."""
    async with open_checked(url, "read", statement_within=None) as database:
        return await database.read(audit_snapshot)


def report_lines(report: AuditReport, show: int = MAX_SHOWN) -> list[str]:
    """The report as text: what was checked, then each violation, then the verdict."""
    lines = [f"looked at: {', '.join(f'{count} {subject}' for subject, count in report.checked.items())}"]
    lines += [f"violation: {violation.kind}: {violation.about}" for violation in report.violations[:show]]
    total = sum(report.kinds.values())
    if total > show:
        lines.append(f"violation: {total - show} more")
    lines += [f"merge: {merge}" for merge in report.merges[:show]]
    if report.passed:
        return [*lines, "audit: the rule holds"]
    return [*lines, f"audit: BROKEN: {', '.join(f'{count} {kind}' for kind, count in sorted(report.kinds.items()))}"]
