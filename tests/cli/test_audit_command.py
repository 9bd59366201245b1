"""`visit-engine audit` prints what it checked, shows violations by ids, and ends with 1 when the rule is broken."""

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from patient_visit_engine.cli.audit import report_lines
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import AuditReport

Command = Callable[..., Any]


def execute(address: str, statement: str) -> None:
    async def write_and_close() -> None:
        database = Database(address)
        await database.write(lambda connection: connection.execute(text(statement)).close())
        await database.close()

    asyncio.run(write_and_close())


def test_confirms_rule_on_sound_database(visit_engine: Command, address: str) -> None:
    migrations.upgrade(address)

    result = visit_engine("audit")

    assert result.exit_code == 0, result.output
    assert "looked at: 0 patients, 0 appointments, 0 trackings, 0 events" in result.stdout
    assert result.stdout.splitlines()[-1] == "audit: the rule holds"


def test_broken_database_ends_with_1(visit_engine: Command, address: str) -> None:
    migrations.upgrade(address)
    execute(address, "UPDATE log_head SET seq = 3")
    execute(
        address,
        "INSERT INTO events VALUES (2, 'k', '2026-03-02T09:00:00.000Z', 'consultations', 'patient.updated', '{}', 7, NULL)",
    )

    result = visit_engine("audit")

    assert result.exit_code == 1
    assert "violation: gap_in_log: the head is 3, the last event is at 2" in result.stdout
    assert result.stdout.splitlines()[-1] == "audit: BROKEN: 1 gap_in_log"


def test_missing_schema_is_one_line(visit_engine: Command) -> None:
    result = visit_engine("audit")

    assert isinstance(result.exception, OperatorError)
    assert "visit-engine migrate" in str(result.exception)


def test_counts_violations_beyond_limit() -> None:
    report = AuditReport()
    for number in range(5):
        report.add_violation("gap_in_log", f"positions {number}")

    lines = report_lines(report, 2)

    assert lines[1:] == [
        "violation: gap_in_log: positions 0",
        "violation: gap_in_log: positions 1",
        "violation: 3 more",
        "audit: BROKEN: 5 gap_in_log",
    ]
