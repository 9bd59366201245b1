"""Processes are killed at the worst moments. Afterwards there is one row, one event and one answer, and the doctor can continue."""

import asyncio
import signal
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Connection, select, update
from temporalio.api.enums.v1 import EventType

from patient_visit_engine.runtime import temporal
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.names import visit_id
from tests.support.databases import on_kind
from tests.support.decisions import assert_can_be_completed, assert_started_once, start_decided
from tests.support.engine import Engine, OpenEngine
from tests.support.waiting import wait_until_async

#: The tests on the shared engine have appointments from this id on, which no other test uses.
FIRST_APPOINTMENT = 50_000_000


@pytest.mark.parametrize("quick_engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgres"], indirect=True)
async def test_worker_killed_before_commit_starts_once(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.worker.stop()
    dying = breakable_engine.faulty_worker("before-commit")
    dying.start()

    starting = asyncio.create_task(breakable_engine.start(1, patient, patient, key))
    await wait_until_async(breakable_engine.has_halted, "the worker is at its commit")
    dying.kill()
    breakable_engine.worker.start()
    first = await starting
    answer = await start_decided(breakable_engine, 1, patient, patient, key)

    assert first.status_code in (201, 503)
    await assert_started_once(breakable_engine, patient, answer)
    await assert_can_be_completed(breakable_engine, patient, answer)


@pytest.mark.parametrize(
    ("engine", "other"),
    [
        ("postgres", None),
        pytest.param("sqlite", "temporal", marks=pytest.mark.long),
        pytest.param("postgres", "api", marks=pytest.mark.long),
    ],
    indirect=["engine"],
)
async def test_answer_at_commit_outlives_killed_processes(
    lasting_engine: Engine, patient: int, key: str, other: str | None
) -> None:
    engine = lasting_engine
    first, second = FIRST_APPOINTMENT + patient, FIRST_APPOINTMENT + 1_000 + patient
    await engine.admit(patient, {first: 1, second: 2})
    engine.worker.stop()
    dying = engine.faulty_worker("after-commit")
    dying.start()

    # The worker never returns from its commit, so Temporal does not report the end of this update.
    answer = await engine.start(1, patient, first, key)
    await wait_until_async(engine.has_halted, "the worker is at its commit")
    if other is not None:
        getattr(engine, other).kill()
    dying.kill()
    await engine.repair()
    repeated = await start_decided(engine, 1, patient, first, key)
    refused = await start_decided(engine, 2, patient, second, f"{key}-other")

    assert (repeated.status_code, repeated.content) == (answer.status_code, answer.content)
    assert (refused.status_code, refused.json()["active_doctor"]) == (409, "Dr. 1")
    await assert_started_once(engine, patient, answer)
    await assert_can_be_completed(engine, patient, answer)


@on_kind("engine", "sqlite")
async def test_next_message_waits_after_answer_at_commit(lasting_engine: Engine, patient: int, key: str) -> None:
    engine = lasting_engine
    first, second = FIRST_APPOINTMENT + patient, FIRST_APPOINTMENT + 1_000 + patient
    await engine.admit(patient, {first: 1, second: 2})
    engine.worker.stop()
    dying = engine.faulty_worker("after-commit")
    dying.start()
    client = await temporal.connect(engine.settings)
    visit = client.get_workflow_handle(visit_id(patient, engine.today))

    async def has_taken_both() -> bool:
        types = [event.event_type for event in (await visit.fetch_history()).events]
        return types.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED) == 2

    answer = await engine.start(1, patient, first, key)
    starting = asyncio.create_task(engine.start(2, patient, second, f"{key}-other"))
    await wait_until_async(has_taken_both, "the visit has both messages")
    # The worker would have committed this decision as well.
    timeline = await engine.rows("SELECT doctor_id FROM timeline WHERE patient_id = :p", p=patient)
    dying.kill()
    engine.worker.start()
    await starting
    refused = await start_decided(engine, 2, patient, second, f"{key}-other")

    assert answer.status_code == 201
    assert [row["doctor_id"] for row in timeline] == [1]
    assert (refused.status_code, refused.json()["active_doctor"]) == (409, "Dr. 1")
    await assert_started_once(engine, patient, answer)


# A quick test of this is in tests/workflow/test_day_end.py.
@pytest.mark.long
@on_kind("quick_engine", "postgres")
async def test_worker_killed_at_carry_over_does_it_once(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1, patient + 1000: 2})
    started = await start_decided(breakable_engine, 1, patient, patient, key)
    breakable_engine.worker.stop()
    await breakable_engine.database.write(_move_to_yesterday, patient)
    dying = breakable_engine.faulty_worker("after-commit")
    dying.start()

    starting = asyncio.create_task(breakable_engine.start(2, patient, patient + 1000, f"{key}-other"))
    await wait_until_async(breakable_engine.has_halted, "the worker is at its commit")
    dying.kill()
    breakable_engine.worker.start()
    await starting
    refused = await start_decided(breakable_engine, 2, patient, patient + 1000, f"{key}-other")

    timeline = await breakable_engine.rows("SELECT event FROM timeline WHERE patient_id = :p", p=patient)
    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)
    assert [row["event"] for row in timeline].count("carried_over") == 1
    await assert_can_be_completed(breakable_engine, patient, started)


def _move_to_yesterday(connection: Connection, patient: int) -> None:
    """Make the patient's consultation one of the day before."""
    today = connection.scalar(select(patient_trackings.c.visit_day).where(patient_trackings.c.patient_id == patient))
    assert today is not None
    values = {"visit_day": today - timedelta(days=1)}
    connection.execute(update(patient_trackings).where(patient_trackings.c.patient_id == patient).values(values))


# A quick test of this is in tests/workflow/test_timers.py.
@pytest.mark.long
@on_kind("open_engine", "sqlite")
async def test_timers_survive_a_killed_worker(open_engine: OpenEngine, patient: int, key: str) -> None:
    engine = await open_engine(decision_timeout="30", offer_seconds="4", sweep_every="120")
    await engine.admit(patient, {patient: 1, patient + 1000: 2, patient + 2000: 3})

    started = await start_decided(engine, 1, patient, patient, key)
    waiting = await engine.start(2, patient, patient + 1000, wait=True)
    await engine.complete(1, started.json()["id"])
    engine.worker.kill()
    engine.worker.start()

    async def has_missed_both_offers() -> bool:
        return len(await engine.events(patient, "waiting.ended")) == 1

    await wait_until_async(has_missed_both_offers, "the doctor misses two offers")
    other = await start_decided(engine, 3, patient, patient + 2000, f"{key}-other")
    assert (waiting.status_code, waiting.json()["position"]) == (409, 1)
    assert len(await engine.events(patient, "consultation.available")) == 2
    assert other.status_code == 201


@pytest.mark.long
@on_kind("open_engine", "postgres")
async def test_api_killed_in_a_request_starts_once(open_engine: OpenEngine, patient: int, key: str) -> None:
    # The API must still wait for the decision when it is killed, also on a busy machine.
    engine = await open_engine(decision_timeout="120", sweep_every="1")
    await engine.admit(patient, {patient: 1})
    engine.worker.stop()
    dying = engine.faulty_worker("before-commit")
    dying.start()

    starting = asyncio.create_task(engine.start(1, patient, patient, key))
    await wait_until_async(engine.has_halted, "the worker is at its commit")
    engine.api.kill()
    with pytest.raises(httpx.TransportError):
        await starting
    dying.kill()
    engine.worker.start()
    engine.api.start()
    await engine.wait_until_ready()
    answer = await start_decided(engine, 1, patient, patient, key)

    await assert_started_once(engine, patient, answer)
    await assert_can_be_completed(engine, patient, answer)


@pytest.mark.parametrize(
    ("quick_engine", "number"),
    [pytest.param("sqlite", signal.SIGTERM, marks=pytest.mark.long), ("postgres", signal.SIGKILL)],
    indirect=["quick_engine"],
)
async def test_restarted_server_has_its_visits(
    breakable_engine: Engine, patient: int, key: str, number: signal.Signals
) -> None:
    await breakable_engine.admit(patient, {patient: 1, patient + 1000: 2})
    answer = await start_decided(breakable_engine, 1, patient, patient, key)

    breakable_engine.temporal.signal(number)
    breakable_engine.temporal.wait()
    during_outage = await breakable_engine.start(2, patient, patient + 1000, f"{key}-other")
    breakable_engine.temporal.start()
    refused = await start_decided(breakable_engine, 2, patient, patient + 1000, f"{key}-other")

    assert (during_outage.status_code, during_outage.json()["code"]) == (503, "undecided")
    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)
    await assert_started_once(breakable_engine, patient, answer)
    await assert_can_be_completed(breakable_engine, patient, answer)
