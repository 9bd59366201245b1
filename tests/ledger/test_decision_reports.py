"""The ledger reports each decision once, after its commit, and the worker logs it in one line without names."""

import asyncio
from datetime import datetime, timedelta

import pytest
import structlog
from sqlalchemy import Connection, select

from patient_visit_engine.storage.clock import DATABASE_NOW
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.consultation_commands import StartConsultation
from patient_visit_engine.worker.decision_log import log_decision
from tests.support.builders import DR_AMRANI, DR_SMITH, NOON, an_appointment, minutes, seed
from tests.support.commands import a_start
from tests.support.ledger import LedgerDriver
from tests.support.locking import locked
from tests.support.waiting import wait_until_async

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)


def read_clock(connection: Connection) -> datetime:
    """The database's time."""
    now: datetime = connection.execute(select(DATABASE_NOW)).scalar_one()
    return now


async def asked_before(database: Database, command: StartConsultation, *, before: timedelta) -> StartConsultation:
    """The command as if the API had got it this long ago."""
    stamp = {"asked_at": await database.read(read_clock) - before, "http_request_id": "browser-7"}
    return command.model_copy(update={"request": command.request.model_copy(update=stamp)})


async def test_reports_decision_once(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    granted = ledger.entry(a_start(OF_AMRANI, "amrani"))
    await ledger.record(granted)
    await ledger.record(granted)
    await ledger.send(a_start(OF_SMITH, "smith"))
    overtaken = ledger.entry(a_start(OF_SMITH, "again")).model_copy(update={"seen": granted.seen})
    await ledger.record(overtaken)

    assert [(report.status, report.code) for report in ledger.reported] == [
        (201, None),
        (409, "patient_in_consultation"),
    ]


async def test_duration_begins_when_it_was_asked(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)

    await ledger.send(await asked_before(database, a_start(OF_AMRANI), before=minutes(5)))

    [report] = ledger.reported
    assert minutes(5) <= report.duration < minutes(6)


async def test_line_has_ids_and_codes_only(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_AMRANI, "amrani"))
    entry = ledger.entry(await asked_before(database, a_start(OF_SMITH, "smith"), before=timedelta(0)))
    await ledger.record(entry.model_copy(update={"command": "start_consultation", "retries": 2}))
    await ledger.record_due(NOON + minutes(20))

    with structlog.testing.capture_logs() as lines:
        for report in ledger.reported[1:3]:
            log_decision(report)

    refused, reminded = lines
    assert {name: value for name, value in refused.items() if name not in ("duration_ms", "log_level", "event")} == {
        "visit": f"visit/{entry.patient_id}/{entry.day}",
        "command": "start_consultation",
        "changes": ["note_refusal"],
        "retries": 2,
        "request_id": entry.request and entry.request.id,
        "http_request_id": "browser-7",
        "status": 409,
        "outcome": "refused",
        "code": "patient_in_consultation",
    }
    assert (reminded["command"], reminded["changes"]) == ("timer", ["remind_holder"])
    assert "request_id" not in reminded


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_reports_decision_of_a_cancelled_call(database: Database, ledger: LedgerDriver) -> None:
    # PostgreSQL rolls back a call that is cancelled.
    await database.write(seed, OF_AMRANI)
    other = Database(database.url.render_as_string())
    async with locked(other):
        recording = asyncio.create_task(ledger.record(ledger.entry(a_start(OF_AMRANI))))
        # One step gives the write to its thread, which then waits for the lock.
        await asyncio.sleep(0)
        recording.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recording
    await wait_until_async(lambda: ledger.reported, "the decision is reported")
    await other.close()

    assert [report.status for report in ledger.reported] == [201]
