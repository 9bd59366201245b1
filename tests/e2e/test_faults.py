"""Parts die at the worst moments; afterwards there is one row, one event, the same answer, and the doctor can go on."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import httpx
import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.runtime import temporal
from tests.support.engine import Engine, eventually, eventually_true
from tests.support.locking import locked

Answer = Awaitable[httpx.Response]


async def _answered(ask: Callable[[], Answer], patience: float = 60.0) -> httpx.Response:
    """Ask again with the same key until the decision is known, as a good client does."""
    async with asyncio.timeout(patience):
        while True:
            try:
                answer = await ask()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code != 503:
                return answer


async def _assert_started_once(fragile: Engine, patient: int, answer: httpx.Response) -> None:
    assert answer.status_code == 201
    rows = await fragile.rows("SELECT * FROM patient_trackings WHERE patient_id = :p", p=patient)
    assert [(row["status"], row["consultation_id"]) for row in rows] == [("in_progress", answer.json()["id"])]
    assert len(await fragile.events(patient, "consultation.started")) == 1


async def _assert_goes_on(fragile: Engine, patient: int, answer: httpx.Response) -> None:
    completed = await _answered(lambda: fragile.complete(1, answer.json()["id"], "done"))
    again = await fragile.complete(1, answer.json()["id"], "done")

    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert again.json() == completed.json()
    assert len(await fragile.events(patient, "consultation.completed")) == 1


@pytest.mark.parametrize("fault", ["before-commit", "after-commit"])
async def test_a_worker_killed_around_the_commit_starts_one_consultation(
    fragile: Engine, patient: int, fault: str
) -> None:
    await fragile.admit(patient, {patient: 1})
    fragile.worker.stop()
    dying = fragile.faulty_worker(fault)
    dying.start()

    asked = asyncio.create_task(fragile.start(1, patient, patient, "once"))
    await asyncio.to_thread(eventually, fragile.halted, "the worker is at its commit")
    dying.kill()
    fragile.worker.start()
    first = await asked
    answer = await _answered(lambda: fragile.start(1, patient, patient, "once"))

    assert first.status_code in (201, 503)
    await _assert_started_once(fragile, patient, answer)
    await _assert_goes_on(fragile, patient, answer)


async def test_a_worker_and_a_server_killed_just_after_the_commit_leave_a_row_that_goes_on(
    fragile: Engine, patient: int
) -> None:
    await fragile.admit(patient, {patient: 1})
    fragile.worker.stop()
    dying = fragile.faulty_worker("after-commit")
    dying.start()

    asked = asyncio.create_task(fragile.start(1, patient, patient, "once"))
    await asyncio.to_thread(eventually, fragile.halted, "the worker is at its commit")
    fragile.temporal.kill()
    dying.kill()
    fragile.temporal.start()
    fragile.worker.start()
    await asked
    answer = await _answered(lambda: fragile.start(1, patient, patient, "once"))

    await _assert_started_once(fragile, patient, answer)
    await _assert_goes_on(fragile, patient, answer)


async def test_a_worker_killed_while_a_consultation_runs_keeps_its_timers(
    opening: Callable[..., Awaitable[Engine]], patient: int
) -> None:
    quick = await opening(decision_timeout="3", abandon_after="4", sweep_every="3600")
    await quick.admit(patient, {patient: 1})

    started = await quick.start(1, patient, patient, "once")
    quick.worker.kill()
    quick.worker.start()

    async def timed_out() -> bool:
        rows = await quick.rows("SELECT outcome FROM patient_trackings WHERE patient_id = :p", p=patient)
        return [row["outcome"] for row in rows] == ["timed_out"]

    await eventually_true(timed_out, "the consultation is closed when its time has run out")
    late = await quick.complete(1, started.json()["id"])
    again = await quick.start(1, patient, patient)
    assert (late.status_code, late.json()["code"]) == (409, "consultation_ended")
    assert late.json()["outcome"] == "timed_out"
    assert again.status_code == 201
    assert len(await quick.events(patient, "consultation.released")) == 1


async def test_an_api_killed_in_the_middle_of_a_request_loses_and_doubles_nothing(
    fragile: Engine, patient: int
) -> None:
    await fragile.admit(patient, {patient: 1})
    fragile.worker.stop()
    dying = fragile.faulty_worker("after-commit")
    dying.start()

    asked = asyncio.create_task(fragile.start(1, patient, patient, "once"))
    await asyncio.to_thread(eventually, fragile.halted, "the worker is at its commit")
    fragile.api.kill()
    with pytest.raises(httpx.TransportError):
        await asked
    dying.kill()
    fragile.worker.start()
    fragile.api.start()
    await fragile.ready()
    answer = await _answered(lambda: fragile.start(1, patient, patient, "once"))

    await _assert_started_once(fragile, patient, answer)
    await _assert_goes_on(fragile, patient, answer)


async def test_an_api_that_starts_before_temporal_leaves_a_start_undecided_until_it_is_there(
    fragile: Engine, patient: int
) -> None:
    await fragile.admit(patient, {patient: 1})
    fragile.temporal.kill()
    fragile.api.kill()
    fragile.api.start()

    async def lives() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{fragile.url}/livez")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually_true(lives, "the API to live")
    undecided = await fragile.start(1, patient, patient, "once")
    fragile.temporal.start()
    answer = await _answered(lambda: fragile.start(1, patient, patient, "once"))

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    await _assert_started_once(fragile, patient, answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_stops_and_comes_back_on_its_file_knows_its_visits(
    fragile: Engine, patient: int, number: signal.Signals
) -> None:
    await fragile.admit(patient, {patient: 1, patient + 1000: 2})
    answer = await fragile.start(1, patient, patient, "once")

    fragile.temporal.signal(number)
    fragile.temporal.wait()
    away = await fragile.start(2, patient, patient + 1000, "other")
    fragile.temporal.start()
    refused = await _answered(lambda: fragile.start(2, patient, patient + 1000, "other"))

    assert (away.status_code, away.json()["code"]) == (503, "undecided")
    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)
    await _assert_started_once(fragile, patient, answer)
    await _assert_goes_on(fragile, patient, answer)


async def test_a_visit_terminated_by_ops_goes_on_from_the_ledger(fragile: Engine, patient: int) -> None:
    await fragile.admit(patient, {patient: 1, patient + 1000: 2})
    answer = await fragile.start(1, patient, patient, "once")
    client = await temporal.connect(fragile.settings)
    [row] = await fragile.rows("SELECT visit_day FROM patient_trackings WHERE patient_id = :p", p=patient)

    await client.get_workflow_handle(f"visit/{patient}/{row['visit_day']}").terminate("by ops, in the UI")
    refused = await fragile.start(2, patient, patient + 1000)

    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)
    await _assert_started_once(fragile, patient, answer)
    await _assert_goes_on(fragile, patient, answer)


async def test_a_visit_terminated_while_a_consultation_runs_is_completed_at_once(fragile: Engine, patient: int) -> None:
    await fragile.admit(patient, {patient: 1})
    answer = await fragile.start(1, patient, patient, "once")
    client = await temporal.connect(fragile.settings)
    [row] = await fragile.rows("SELECT visit_day FROM patient_trackings WHERE patient_id = :p", p=patient)

    await client.get_workflow_handle(f"visit/{patient}/{row['visit_day']}").terminate("by ops, in the UI")

    await _assert_goes_on(fragile, patient, answer)


async def test_without_a_worker_a_start_is_undecided_and_is_carried_out_once_when_it_is_back(
    fragile: Engine, patient: int
) -> None:
    await fragile.admit(patient, {patient: 1})
    fragile.worker.kill()

    undecided = await fragile.start(1, patient, patient, "once")
    fragile.worker.start()
    answer = await _answered(lambda: fragile.start(1, patient, patient, "once"))
    repeated = await fragile.start(1, patient, patient, "once")

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    assert int(undecided.headers["Retry-After"]) > 0
    assert repeated.json() == answer.json()
    await _assert_started_once(fragile, patient, answer)


async def test_an_asynchronous_start_is_decided_although_nobody_was_there_when_it_was_asked(
    fragile: Engine, patient: int
) -> None:
    await fragile.admit(patient, {patient: 1})
    body = {"appointment_id": patient, "patient_id": patient, "doctor_id": 1}
    fragile.worker.kill()
    fragile.temporal.kill()

    async with fragile.staff("doctor", 1) as doctor:
        asked = await doctor.post(
            "/api/consultations", json=body, headers={"Prefer": "respond-async", "Idempotency-Key": "later"}
        )
        open_still = await doctor.get("/api/requests/later")
        fragile.temporal.start()
        fragile.worker.start()

        async def decided() -> bool:
            return (await doctor.get("/api/requests/later")).status_code == 200

        await eventually_true(decided, "the worker's sweep has sent the open request")
        answer = (await doctor.get("/api/requests/later")).json()

    assert asked.status_code in (202, 503)
    assert open_still.status_code == 202
    assert answer["status"] == 201
    assert len(await fragile.events(patient, "consultation.started")) == 1


async def test_a_database_that_is_locked_for_a_while_delays_a_start_and_doubles_nothing(
    fragile: Engine, patient: int
) -> None:
    await fragile.admit(patient, {patient: 1})
    async with locked(fragile.database):
        undecided = await fragile.start(1, patient, patient, "once")
    answer = await _answered(lambda: fragile.start(1, patient, patient, "once"))

    assert undecided.status_code == 503
    await _assert_started_once(fragile, patient, answer)


async def test_a_ledger_that_was_restored_from_an_older_copy_decides_what_it_has_lost_again(
    fragile: Engine, patient: int
) -> None:
    await fragile.admit(patient, {patient: 1})
    await fragile.start(1, patient, patient, "once")

    def lose(connection: Connection) -> None:
        for table in ("requests", "timeline", "patient_trackings", "events"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("UPDATE appointments SET status = 1"))
        connection.execute(text("UPDATE log_head SET seq = 0, epoch = 'restored'"))

    await fragile.database.write(lose)
    answer = await _answered(lambda: fragile.start(1, patient, patient, "once"))

    await _assert_started_once(fragile, patient, answer)
    await _assert_goes_on(fragile, patient, answer)
