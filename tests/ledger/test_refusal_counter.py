"""Refusals of one doctor by the same consultation within a minute are one entry of the timeline, with a counter."""

from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.refusal_counter import REFUSALS_WITHIN
from patient_visit_engine.storage.screens.timeline_pages import TimelineQuery, read_timeline
from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.visit.appointment import Appointment
from tests.support.builders import DAY, DR_AMRANI, DR_OKAFOR, DR_SMITH, JOHN_DOE, NOON, an_appointment, minutes, seed
from tests.support.commands import a_completion, a_start
from tests.support.ledger import LedgerDriver, column

OF_AMRANI, OF_SMITH, OF_OKAFOR = an_appointment(DR_AMRANI), an_appointment(DR_SMITH), an_appointment(DR_OKAFOR)
A_MOMENT = timedelta(milliseconds=1)
_keys = count()


async def press_start(ledger: LedgerDriver, appointment: Appointment, after: timedelta) -> None:
    """A start that the running consultation refuses."""
    answer = await ledger.send(a_start(appointment, f"press-{next(_keys)}"), NOON + after)
    assert (answer.status, answer.body["code"]) == (409, "patient_in_consultation")


def refusals(connection: Connection) -> list[tuple[Any, ...]]:
    columns = (timeline.c.doctor_id, timeline.c.refusals, timeline.c.last_at)
    rows = connection.execute(select(*columns).where(timeline.c.event == "refused").order_by(timeline.c.id))
    return [tuple(row) for row in rows]


async def test_counts_quick_refusals_in_one_entry(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH, OF_OKAFOR)
    await ledger.send(a_start(OF_AMRANI))
    last = minutes(1) + REFUSALS_WITHIN - A_MOMENT

    for after in (minutes(1), minutes(1.5), last):
        await press_start(ledger, OF_SMITH, after)
    await press_start(ledger, OF_OKAFOR, last)

    assert await database.read(refusals) == [(DR_SMITH.id, 3, NOON + last), (DR_OKAFOR.id, None, None)]
    # Each refusal has its answer and its event.
    assert (await database.read(column, "events", "name")).count("consultation.blocked") == 4
    assert len(await database.read(column, "requests", "request_id")) == 5


async def test_later_refusal_gets_a_new_entry(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_AMRANI))

    for after in (minutes(1), minutes(1) + REFUSALS_WITHIN, minutes(2.5)):
        await press_start(ledger, OF_SMITH, after)

    assert await database.read(refusals) == [(DR_SMITH.id, None, None), (DR_SMITH.id, 2, NOON + minutes(2.5))]


async def test_refusal_by_another_consultation_gets_a_new_entry(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH, OF_OKAFOR)
    await ledger.send(a_start(OF_AMRANI))
    await press_start(ledger, OF_SMITH, minutes(1))
    await ledger.send(a_completion(ledger.running), NOON + minutes(1))
    await ledger.send(a_start(OF_OKAFOR, "okafor"), NOON + minutes(1))

    await press_start(ledger, OF_SMITH, minutes(1.5))

    assert [row[:2] for row in await database.read(refusals)] == [(DR_SMITH.id, None), (DR_SMITH.id, None)]


async def test_timeline_shows_number_of_refusals(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_AMRANI))
    await press_start(ledger, OF_SMITH, minutes(1))
    await press_start(ledger, OF_SMITH, minutes(1.5))

    query = TimelineQuery(JOHN_DOE.id, DAY, with_callers=False, before=None)
    started, refused = (await database.read(read_timeline, query)).entries

    assert "refusals" not in started
    counted: dict[str, Any] = {"at": "2026-03-02T11:01:00.000Z", "refusals": 2, "last_at": "2026-03-02T11:01:30.000Z"}
    assert refused.items() >= counted.items()
