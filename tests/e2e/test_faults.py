"""Processes are killed at the worst moments. Afterwards there is one row, one event and one answer, and the doctor can continue."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import httpx
import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.runtime import temporal
from tests.support.engine import Engine, OpenEngine
from tests.support.locking import locked
from tests.support.waiting import wait_until_async

Answer = Awaitable[httpx.Response]


async def _send_until_decided(send: Callable[[], Answer]) -> httpx.Response:
    """Send again with the same key until there is a decision, as clients should do."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await send()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code != 503:
                return answer


async def _assert_started_once(engine: Engine, patient: int, answer: httpx.Response) -> None:
    assert answer.status_code == 201
    rows = await engine.rows("SELECT * FROM patient_trackings WHERE patient_id = :p", p=patient)
    assert [(row["status"], row["consultation_id"]) for row in rows] == [("in_progress", answer.json()["id"])]
    assert len(await engine.events(patient, "consultation.started")) == 1


async def _assert_can_be_completed(engine: Engine, patient: int, answer: httpx.Response) -> None:
    completed = await _send_until_decided(lambda: engine.complete(1, answer.json()["id"], "done"))
    repeated = await engine.complete(1, answer.json()["id"], "done")

    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert repeated.json() == completed.json()
    assert len(await engine.events(patient, "consultation.completed")) == 1


@pytest.mark.parametrize("fault", ["before-commit", "after-commit"])
async def test_worker_killed_at_commit_starts_once(breakable_engine: Engine, patient: int, fault: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.worker.stop()
    dying = breakable_engine.faulty_worker(fault)
    dying.start()

    starting = asyncio.create_task(breakable_engine.start(1, patient, patient, "once"))
    await wait_until_async(breakable_engine.halted, "the worker is at its commit")
    dying.kill()
    breakable_engine.worker.start()
    first = await starting
    answer = await _send_until_decided(lambda: breakable_engine.start(1, patient, patient, "once"))

    assert first.status_code in (201, 503)
    await _assert_started_once(breakable_engine, patient, answer)
    await _assert_can_be_completed(breakable_engine, patient, answer)


async def test_worker_and_server_killed_after_commit(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.worker.stop()
    dying = breakable_engine.faulty_worker("after-commit")
    dying.start()

    starting = asyncio.create_task(breakable_engine.start(1, patient, patient, "once"))
    await wait_until_async(breakable_engine.halted, "the worker is at its commit")
    breakable_engine.temporal.kill()
    dying.kill()
    breakable_engine.temporal.start()
    breakable_engine.worker.start()
    await starting
    answer = await _send_until_decided(lambda: breakable_engine.start(1, patient, patient, "once"))

    await _assert_started_once(breakable_engine, patient, answer)
    await _assert_can_be_completed(breakable_engine, patient, answer)


async def test_timers_survive_a_killed_worker(open_engine: OpenEngine, patient: int) -> None:
    engine = await open_engine(decision_timeout="3", abandon_after="4", sweep_every="3600")
    await engine.admit(patient, {patient: 1})

    started = await engine.start(1, patient, patient, "once")
    engine.worker.kill()
    engine.worker.start()

    async def has_timed_out() -> bool:
        rows = await engine.rows("SELECT outcome FROM patient_trackings WHERE patient_id = :p", p=patient)
        return [row["outcome"] for row in rows] == ["timed_out"]

    await wait_until_async(has_timed_out, "the consultation times out")
    refused = await engine.complete(1, started.json()["id"])
    restarted = await engine.start(1, patient, patient)
    assert (refused.status_code, refused.json()["code"]) == (409, "consultation_ended")
    assert refused.json()["outcome"] == "timed_out"
    assert restarted.status_code == 201
    assert len(await engine.events(patient, "consultation.released")) == 1


async def test_api_killed_in_a_request_starts_once(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.worker.stop()
    dying = breakable_engine.faulty_worker("after-commit")
    dying.start()

    starting = asyncio.create_task(breakable_engine.start(1, patient, patient, "once"))
    await wait_until_async(breakable_engine.halted, "the worker is at its commit")
    breakable_engine.api.kill()
    with pytest.raises(httpx.TransportError):
        await starting
    dying.kill()
    breakable_engine.worker.start()
    breakable_engine.api.start()
    await breakable_engine.ready()
    answer = await _send_until_decided(lambda: breakable_engine.start(1, patient, patient, "once"))

    await _assert_started_once(breakable_engine, patient, answer)
    await _assert_can_be_completed(breakable_engine, patient, answer)


async def test_start_is_undecided_without_temporal(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.temporal.kill()
    breakable_engine.api.kill()
    breakable_engine.api.start()

    async def is_alive() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{breakable_engine.url}/livez")).status_code == 200
        except httpx.TransportError:
            return False

    await wait_until_async(is_alive, "the API is alive")
    undecided = await breakable_engine.start(1, patient, patient, "once")
    breakable_engine.temporal.start()
    answer = await _send_until_decided(lambda: breakable_engine.start(1, patient, patient, "once"))

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    await _assert_started_once(breakable_engine, patient, answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_restarted_server_has_its_visits(breakable_engine: Engine, patient: int, number: signal.Signals) -> None:
    await breakable_engine.admit(patient, {patient: 1, patient + 1000: 2})
    answer = await breakable_engine.start(1, patient, patient, "once")

    breakable_engine.temporal.signal(number)
    breakable_engine.temporal.wait()
    during_outage = await breakable_engine.start(2, patient, patient + 1000, "other")
    breakable_engine.temporal.start()
    refused = await _send_until_decided(lambda: breakable_engine.start(2, patient, patient + 1000, "other"))

    assert (during_outage.status_code, during_outage.json()["code"]) == (503, "undecided")
    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)
    await _assert_started_once(breakable_engine, patient, answer)
    await _assert_can_be_completed(breakable_engine, patient, answer)


async def test_terminated_visit_continues_from_ledger(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1, patient + 1000: 2})
    answer = await breakable_engine.start(1, patient, patient, "once")
    client = await temporal.connect(breakable_engine.settings)
    [row] = await breakable_engine.rows("SELECT visit_day FROM patient_trackings WHERE patient_id = :p", p=patient)

    await client.get_workflow_handle(f"visit/{patient}/{row['visit_day']}").terminate("by ops, in the UI")
    refused = await breakable_engine.start(2, patient, patient + 1000)

    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)
    await _assert_started_once(breakable_engine, patient, answer)
    await _assert_can_be_completed(breakable_engine, patient, answer)


async def test_terminated_visit_can_be_completed(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    answer = await breakable_engine.start(1, patient, patient, "once")
    client = await temporal.connect(breakable_engine.settings)
    [row] = await breakable_engine.rows("SELECT visit_day FROM patient_trackings WHERE patient_id = :p", p=patient)

    await client.get_workflow_handle(f"visit/{patient}/{row['visit_day']}").terminate("by ops, in the UI")

    await _assert_can_be_completed(breakable_engine, patient, answer)


async def test_start_without_worker_is_decided_later(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.worker.kill()

    undecided = await breakable_engine.start(1, patient, patient, "once")
    breakable_engine.worker.start()
    answer = await _send_until_decided(lambda: breakable_engine.start(1, patient, patient, "once"))
    repeated = await breakable_engine.start(1, patient, patient, "once")

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    assert int(undecided.headers["Retry-After"]) > 0
    assert repeated.json() == answer.json()
    await _assert_started_once(breakable_engine, patient, answer)


async def test_async_start_is_decided_after_an_outage(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    body = {"appointment_id": patient, "patient_id": patient, "doctor_id": 1}
    breakable_engine.worker.kill()
    breakable_engine.temporal.kill()

    async with breakable_engine.staff("doctor", 1) as doctor:
        accepted = await doctor.post(
            "/api/consultations", json=body, headers={"Prefer": "respond-async", "Idempotency-Key": "later"}
        )
        pending = await doctor.get("/api/requests/later")
        breakable_engine.temporal.start()
        breakable_engine.worker.start()

        async def is_decided() -> bool:
            return (await doctor.get("/api/requests/later")).status_code == 200

        await wait_until_async(is_decided, "the worker's sweep sends the open request")
        answer = (await doctor.get("/api/requests/later")).json()

    assert accepted.status_code in (202, 503)
    assert pending.status_code == 202
    assert answer["status"] == 201
    assert len(await breakable_engine.events(patient, "consultation.started")) == 1


async def test_locked_database_delays_the_start(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    async with locked(breakable_engine.database):
        undecided = await breakable_engine.start(1, patient, patient, "once")
    answer = await _send_until_decided(lambda: breakable_engine.start(1, patient, patient, "once"))

    assert undecided.status_code == 503
    await _assert_started_once(breakable_engine, patient, answer)


async def test_restored_ledger_decides_lost_start_again(breakable_engine: Engine, patient: int) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    await breakable_engine.start(1, patient, patient, "once")

    def delete_decisions(connection: Connection) -> None:
        for table in ("requests", "timeline", "patient_trackings", "events"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("UPDATE appointments SET status = 1"))
        connection.execute(text("UPDATE log_head SET seq = 0, epoch = 'restored'"))

    await breakable_engine.database.write(delete_decisions)
    answer = await _send_until_decided(lambda: breakable_engine.start(1, patient, patient, "once"))

    await _assert_started_once(breakable_engine, patient, answer)
    await _assert_can_be_completed(breakable_engine, patient, answer)
