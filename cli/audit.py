"""`visit-engine audit`: says what the database proves about the rule, with ids and never a name; it must not know SQL."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import AuditReport
from patient_visit_engine.storage.upkeep.audit import audit as look

MOST_SHOWN = 50


def audit(
    show: Annotated[
        int, typer.Option(min=0, help="How many violations to name before only their number is told.")
    ] = MOST_SHOWN,
) -> None:
    """Prove the rule from the database: overlaps by position in the log, completions, events and state. Exit 1 if it is broken."""
    out = Console(soft_wrap=True)
    report = asyncio.run(of_database(load().database))
    for line in verdict(report, show):
        out.print(line, markup=False, highlight=False)
    if not report.holds:
        raise typer.Exit(1)


async def of_database(url: str) -> AuditReport:
    """The audit of the database at `url`, on one snapshot; raises `OperatorError` when it cannot be read."""
    database = Database(url, statement_within=None)
    try:
        await asyncio.to_thread(migrations.check, url)
        return await database.read(look)
    except migrations.UnknownSchemaError as unknown:
        raise OperatorError(f"VISIT_DATABASE_URL: {unknown}") from None
    except (DBAPIError, OSError) as error:
        # Not the error's own text: it may quote the address, password included.
        raise OperatorError(f"VISIT_DATABASE_URL: the database cannot be read ({type(error).__name__})") from error
    finally:
        await database.close()


def verdict(report: AuditReport, show: int = MOST_SHOWN) -> list[str]:
    """The report in lines: what was looked at, each violation, and the verdict last."""
    lines = [f"looked at: {', '.join(f'{count} {what}' for what, count in report.looked_at.items())}"]
    lines += [f"violation: {found.kind}: {found.about}" for found in report.violations[:show]]
    total = sum(report.kinds.values())
    if total > show:
        lines.append(f"violation: {total - show} more")
    if report.holds:
        return [*lines, "audit: the rule holds"]
    return [*lines, f"audit: BROKEN: {', '.join(f'{count} {kind}' for kind, count in sorted(report.kinds.items()))}"]
