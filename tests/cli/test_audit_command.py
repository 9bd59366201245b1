"""`visit-engine audit` says what it looked at, names what is wrong by ids, and ends with 1 when the rule is broken."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build
from patient_visit_engine.cli.audit import verdict
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import AuditReport

Command = Callable[..., Any]


@pytest.fixture
def visit_engine(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VISIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VISIT_DATABASE_URL", address)
    return lambda *words: CliRunner().invoke(build(), list(words))


def run(address: str, statement: str) -> None:
    async def whole() -> None:
        database = Database(address)
        await database.write(lambda connection: connection.execute(text(statement)).close())
        await database.close()

    asyncio.run(whole())


def test_a_database_that_keeps_the_rule_is_told_so(visit_engine: Command, address: str) -> None:
    migrations.upgrade(address)

    result = visit_engine("audit")

    assert result.exit_code == 0, result.output
    assert "looked at: 0 patients, 0 appointments, 0 trackings, 0 events" in result.stdout
    assert result.stdout.splitlines()[-1] == "audit: the rule holds"


def test_a_broken_database_is_named_and_ends_with_1(visit_engine: Command, address: str) -> None:
    migrations.upgrade(address)
    run(address, "UPDATE log_head SET seq = 3")
    run(
        address,
        "INSERT INTO events VALUES (2, 'k', '2026-03-02T09:00:00.000Z', 'consultations', 'patient.updated', '{}', 7, NULL)",
    )

    result = visit_engine("audit")

    assert result.exit_code == 1
    assert "violation: gap_in_log: the head is 3, the last event is at 2" in result.stdout
    assert result.stdout.splitlines()[-1] == "audit: BROKEN: 1 gap_in_log"


def test_a_database_without_a_schema_is_one_line(visit_engine: Command) -> None:
    result = visit_engine("audit")

    assert isinstance(result.exception, OperatorError)
    assert "visit-engine migrate" in str(result.exception)


def test_violations_beyond_the_shown_ones_are_counted() -> None:
    report = AuditReport()
    for number in range(5):
        report.violated("gap_in_log", f"positions {number}")

    lines = verdict(report, 2)

    assert lines[1:] == [
        "violation: gap_in_log: positions 0",
        "violation: gap_in_log: positions 1",
        "violation: 3 more",
        "audit: BROKEN: 5 gap_in_log",
    ]
