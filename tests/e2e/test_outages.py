"""The worker, Temporal, a workflow or the database is away for a while. Each start is decided once, and the doctor can continue."""

import signal
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.runtime import temporal
from patient_visit_engine.visit.names import visit_id
from tests.support.databases import on_kind
from tests.support.decisions import assert_can_be_completed, assert_reason, assert_started_once, start_decided
from tests.support.engine import Engine, OpenEngine, wait_until_ready
from tests.support.locking import locked
from tests.support.log_lines import lines_of, wait_for_lines
from tests.support.waiting import wait_until_async


def lose_temporal_database(engine: Engine) -> None:
    """Start Temporal again without its files, with the same command as `up`."""
    engine.temporal.kill()
    for file in engine.folder.glob("temporal.db*"):
        file.unlink()
    engine.temporal.start()


@on_kind("quick_engine", "postgres")
async def test_start_is_undecided_without_temporal(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.temporal.kill()
    breakable_engine.api.kill()
    breakable_engine.api.start()
    await wait_until_ready(breakable_engine.url, "/livez")
    undecided = await breakable_engine.start(1, patient, patient, key)
    await assert_reason(breakable_engine, undecided, "temporal_away")
    breakable_engine.temporal.start()
    answer = await start_decided(breakable_engine, 1, patient, patient, key)

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    await assert_started_once(breakable_engine, patient, answer)


@on_kind("quick_engine", "postgres")
async def test_foreign_workflow_makes_visit_undecided(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    client = await temporal.connect(breakable_engine.settings)
    today = breakable_engine.settings.calendar.day_of(datetime.now(UTC))
    await client.start_workflow("ForeignWorkflow", id=visit_id(patient, today), task_queue="foreign")

    undecided = await breakable_engine.start(1, patient, patient, key)
    answer = await start_decided(breakable_engine, 1, patient, patient, key)

    await assert_reason(breakable_engine, undecided, "visit_wedged")
    await assert_started_once(breakable_engine, patient, answer)


@on_kind("quick_engine", "postgres")
async def test_one_request_can_be_followed_to_its_visit(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    answer = await start_decided(breakable_engine, 1, patient, patient, key)
    request_id = answer.headers["X-Request-ID"]

    [line] = await wait_for_lines(breakable_engine.worker.log, http_request_id=request_id)
    stored = await breakable_engine.rows("SELECT request_id FROM requests WHERE http_request_id = :id", id=request_id)
    client = await temporal.connect(breakable_engine.settings)
    history = await client.get_workflow_handle(line["visit"]).fetch_history()

    assert (line["event"], line["command"], line["status"]) == ("decision recorded", "start_consultation", 201)
    assert stored == [{"request_id": line["request_id"]}]
    assert any(request_id.encode() in event.SerializeToString() for event in history.events)


@on_kind("quick_engine", "postgres")
async def test_logs_are_json_in_any_outage(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.temporal.kill()
    await breakable_engine.start(1, patient, patient, key)
    # The core of the SDK logs its own retries.
    await wait_for_lines(breakable_engine.worker.log, logger="temporalio.core")
    breakable_engine.temporal.start()
    await start_decided(breakable_engine, 1, patient, patient, key)

    for process in (breakable_engine.api, breakable_engine.worker):
        assert all(line["part"] == process.log.stem for line in lines_of(process.log))
        assert "\\u001b" not in process.log.read_text()


@on_kind("quick_engine", "postgres")
async def test_terminated_visit_continues_from_ledger(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1, patient + 1000: 2})
    answer = await start_decided(breakable_engine, 1, patient, patient, key)
    client = await temporal.connect(breakable_engine.settings)
    [row] = await breakable_engine.rows("SELECT visit_day FROM patient_trackings WHERE patient_id = :p", p=patient)

    await client.get_workflow_handle(f"visit/{patient}/{row['visit_day']}").terminate("by ops, in the UI")
    refused = await start_decided(breakable_engine, 2, patient, patient + 1000, f"{key}-other")

    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)
    await assert_started_once(breakable_engine, patient, answer)
    await assert_can_be_completed(breakable_engine, patient, answer)


@on_kind("quick_engine", "postgres")
async def test_terminated_visit_can_be_completed(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    answer = await start_decided(breakable_engine, 1, patient, patient, key)
    client = await temporal.connect(breakable_engine.settings)
    [row] = await breakable_engine.rows("SELECT visit_day FROM patient_trackings WHERE patient_id = :p", p=patient)

    await client.get_workflow_handle(f"visit/{patient}/{row['visit_day']}").terminate("by ops, in the UI")

    await assert_can_be_completed(breakable_engine, patient, answer)


@on_kind("quick_engine", "postgres")
async def test_start_without_worker_is_decided_later(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    breakable_engine.worker.kill()

    undecided = await breakable_engine.start(1, patient, patient, key)
    await assert_reason(breakable_engine, undecided, "no_worker")
    breakable_engine.worker.start()
    answer = await start_decided(breakable_engine, 1, patient, patient, key)
    repeated = await breakable_engine.start(1, patient, patient, key)

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    assert int(undecided.headers["Retry-After"]) > 0
    assert repeated.json() == answer.json()
    await assert_started_once(breakable_engine, patient, answer)


@on_kind("engine", "postgres")
async def test_start_with_hung_worker_is_undecided(lasting_engine: Engine, patient: int, key: str) -> None:
    await lasting_engine.admit(patient, {patient: 1})
    lasting_engine.worker.signal(signal.SIGSTOP)
    try:
        # The server gives the task of the new visit to the open poll of the worker, and again when its time is over.
        undecided = await lasting_engine.start(1, patient, patient, key)
        await assert_reason(lasting_engine, undecided, "no_worker")
    finally:
        lasting_engine.worker.signal(signal.SIGCONT)
    answer = await start_decided(lasting_engine, 1, patient, patient, key)

    await assert_started_once(lasting_engine, patient, answer)


@on_kind("quick_engine", "postgres")
async def test_async_start_is_decided_after_an_outage(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    body = {"appointment_id": patient, "patient_id": patient, "doctor_id": 1}
    breakable_engine.worker.kill()
    breakable_engine.temporal.kill()

    async with breakable_engine.staff("doctor", 1) as doctor:
        accepted = await doctor.post(
            "/api/consultations", json=body, headers={"Prefer": "respond-async", "Idempotency-Key": key}
        )
        pending = await doctor.get(f"/api/requests/{key}")
        breakable_engine.temporal.start()
        breakable_engine.worker.start()

        async def is_decided() -> bool:
            return (await doctor.get(f"/api/requests/{key}")).status_code == 200

        await wait_until_async(is_decided, "the worker's sweep sends the open request")
        answer = (await doctor.get(f"/api/requests/{key}")).json()

    assert accepted.status_code in (202, 503)
    assert pending.status_code == 202
    assert answer["status"] == 201
    assert len(await breakable_engine.events(patient, "consultation.started")) == 1


# tests/api/test_database_away.py has quick tests of locks, on both kinds.
@pytest.mark.parametrize("quick_engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgres"], indirect=True)
async def test_locked_database_delays_the_start(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    async with locked(breakable_engine.database):
        undecided = await breakable_engine.start(1, patient, patient, key)
    answer = await start_decided(breakable_engine, 1, patient, patient, key)

    assert undecided.status_code == 503
    await assert_started_once(breakable_engine, patient, answer)


@pytest.mark.long
@on_kind("open_engine", "sqlite")
async def test_restored_ledger_decides_lost_start_again(open_engine: OpenEngine, patient: int, key: str) -> None:
    engine = await open_engine(decision_timeout="3", sweep_every="1")
    await engine.admit(patient, {patient: 1})
    await start_decided(engine, 1, patient, patient, key)

    def delete_decisions(connection: Connection) -> None:
        for table in ("requests", "timeline", "patient_trackings", "events"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("UPDATE appointments SET status = 1"))
        connection.execute(text("UPDATE log_head SET seq = 0, epoch = 'restored'"))

    await engine.database.write(delete_decisions)
    answer = await start_decided(engine, 1, patient, patient, key)

    await assert_started_once(engine, patient, answer)
    await assert_can_be_completed(engine, patient, answer)


@on_kind("quick_engine", "postgres")
async def test_foreign_workflow_is_rescued(breakable_engine: Engine, patient: int, key: str) -> None:
    await breakable_engine.admit(patient, {patient: 1})
    client = await temporal.connect(breakable_engine.settings)
    today = breakable_engine.settings.calendar.day_of(datetime.now(UTC))
    await client.start_workflow("ForeignWorkflow", id=visit_id(patient, today), task_queue="foreign")

    (row,) = await breakable_engine.rows("SELECT count(*) AS n FROM timeline WHERE event = 'rescued'")
    rescues_before: int = row["n"]
    undecided = await breakable_engine.start(1, patient, patient, key)
    answer = await start_decided(breakable_engine, 1, patient, patient, key)

    async def is_counted() -> bool:
        return f"visit_rescues {rescues_before + 1:.1f}" in await breakable_engine.metrics()

    await wait_until_async(is_counted, "the rescue is counted")
    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    await assert_started_once(breakable_engine, patient, answer)
    await assert_can_be_completed(breakable_engine, patient, answer)


@on_kind("open_engine", "postgres")
async def test_lost_temporal_database_locks_no_one_out(open_engine: OpenEngine, patient: int, key: str) -> None:
    engine = await open_engine(decision_timeout="3", sweep_every="1")
    await engine.admit(patient, {patient: 1, patient + 1000: 2, patient + 2000: 3})
    started = await start_decided(engine, 1, patient, patient, key)
    waiting = await engine.start(2, patient, patient + 1000, wait=True)
    lose_temporal_database(engine)

    refused = await start_decided(engine, 3, patient, patient + 2000, f"{key}-other")
    await assert_can_be_completed(engine, patient, started)

    async def is_offered() -> bool:
        return bool(await engine.events(patient, "consultation.available"))

    await wait_until_async(is_offered, "the waiting doctor has an offer")
    assert (waiting.status_code, waiting.json()["position"]) == (409, 1)
    assert (refused.status_code, refused.json()["active_doctor_id"]) == (409, 1)


@pytest.mark.long
@on_kind("open_engine", "sqlite")
async def test_lost_temporal_database_needs_no_message(open_engine: OpenEngine, patient: int, key: str) -> None:
    engine = await open_engine(decision_timeout="3", sweep_every="1", offer_seconds="2")
    await engine.admit(patient, {patient: 1, patient + 1000: 2, patient + 2000: 3})
    started = await start_decided(engine, 1, patient, patient, key)
    for doctor in (2, 3):
        await engine.start(doctor, patient, patient + (doctor - 1) * 1000, wait=True)
    await engine.complete(1, started.json()["id"])
    lose_temporal_database(engine)

    async def is_offered_to_both() -> bool:
        offers = await engine.events(patient, "consultation.available")
        return {offer["channel"] for offer in offers} == {"doctor.2", "doctor.3"}

    await wait_until_async(is_offered_to_both, "the offer has passed to the next doctor")
