"""A caller gets the stored answer at its commit, or after the update's result: what comes first."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.commands import update_calls
from patient_visit_engine.api.commands.answer_watch import AnswerWatch, CommitHints
from patient_visit_engine.api.commands.update_calls import UpdateCalls
from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.log_hints import hints_of
from patient_visit_engine.storage.log_reader import LogReader
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.visit_messages import Reply
from tests.support.api import (
    JOHN_CARDIOLOGY,
    JOHN_DERMATOLOGY,
    JOHN_X_RAY,
    MARIA_CARDIOLOGY,
    ApiDriver,
    Clock,
    LedgerVisits,
    settings_with,
    start_body,
)
from tests.support.builders import DAY, DR_AMRANI, DR_OKAFOR, seed
from tests.support.commands import a_start
from tests.support.hints import NoHints
from tests.support.waiting import wait_until_async

#: The time of a call that no other limit of the program has.
CALL_SECONDS = 3_601.0
COMMIT, UPDATE = 'visit_answers_total{source="commit"}', 'visit_answers_total{source="update"}'


@dataclass
class SlowVisits(LedgerVisits):
    """Decides and commits like `LedgerVisits`. The update's result comes only when `gate` is open, and may be an error."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    #: Calls that wait at the gate.
    waiting: int = 0

    async def send(self, patient_id: int, day: date, command: Command | Adopt, update_id: str | None = None) -> Reply:
        reply = await super().send(patient_id, day, command, update_id)
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        if self.error is not None:
            raise self.error
        return reply


@pytest.fixture
async def seeded(database: Database) -> Database:
    await database.write(seed, JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY)
    return database


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


def open_slow_api(database: Database, hints: CommitHints, stack: AsyncExitStack) -> tuple[ApiDriver, SlowVisits]:
    """The application with these hints, and its visits."""
    clock, settings = Clock(), settings_with(decision_timeout="PT5S")
    visits = SlowVisits(SqlLedger(database), clock)
    app = create_app(settings, database, visits, visits, hints=hints, now=clock)
    stack.callback(app.dependencies.sessions.close)
    stack.callback(app.dependencies.authentication.close)
    stack.push_async_callback(app.dependencies.update_calls.close)
    return ApiDriver(app, database, visits, clock, settings, stack), visits


@pytest.fixture
async def slow(seeded: Database, stack: AsyncExitStack) -> tuple[ApiDriver, SlowVisits]:
    """The application with the hints of its database, as a process has them."""
    hints = hints_of(seeded)
    stack.callback(hints.close)
    hub = await stack.enter_async_context(run_hub(LogReader(seeded), hints))
    await wait_until_async(lambda: hub.started, "the first read of the log")
    return open_slow_api(seeded, hints.for_answers(), stack)


@pytest.fixture
async def without_hints(seeded: Database, stack: AsyncExitStack) -> tuple[ApiDriver, SlowVisits]:
    """The application, which never gets a hint."""
    return open_slow_api(seeded, NoHints(), stack)


@pytest.fixture
async def loop_errors() -> AsyncIterator[Callable[[], list[Any]]]:
    """Returns what asyncio would log now, for example a task whose exception no one has read."""
    loop = asyncio.get_running_loop()
    reported: list[Any] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))

    def collect() -> list[Any]:
        gc.collect()
        return reported

    yield collect
    loop.set_exception_handler(None)


async def metric_lines(api: ApiDriver) -> list[str]:
    text = (await (await api.anyone()).get("/metrics")).text
    return [line for line in text.splitlines() if line.startswith("visit_answers_total")]


async def test_answers_at_commit_before_update_ends(slow: tuple[ApiDriver, SlowVisits]) -> None:
    api, visits = slow
    doctor, other = await api.doctor(DR_AMRANI.id), await api.doctor(DR_OKAFOR.id)

    started = await doctor.post("/api/consultations", json=start_body())
    refused = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    completed = await doctor.post(f"/api/consultations/{started.json()['id']}/complete")

    assert (started.status_code, completed.status_code) == (201, 200)
    assert (refused.status_code, refused.json()["active_doctor"]) == (409, DR_AMRANI.name)
    # All three updates still run.
    await wait_until_async(lambda: visits.waiting == 3, "the three updates wait for the gate")
    assert await metric_lines(api) == [f"{COMMIT} 3.0"]


async def test_repeat_gets_same_bytes_while_update_runs(slow: tuple[ApiDriver, SlowVisits]) -> None:
    api, _ = slow
    doctor = await api.doctor()

    answers = [
        await doctor.post("/api/consultations", json=start_body(), headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert answers[0].status_code == 201
    assert (answers[1].status_code, answers[1].content) == (201, answers[0].content)
    assert len(api.visits.sent) == 1


async def test_without_hints_answers_after_update(without_hints: tuple[ApiDriver, SlowVisits]) -> None:
    api, visits = without_hints
    visits.gate.set()

    started = await (await api.doctor()).post("/api/consultations", json=start_body())

    assert (started.status_code, await metric_lines(api)) == (201, [f"{UPDATE} 1.0"])


async def test_failed_update_gives_answer_that_is_stored(without_hints: tuple[ApiDriver, SlowVisits]) -> None:
    api, visits = without_hints
    visits.error = RPCError("the server has gone", RPCStatusCode.UNAVAILABLE, b"")
    visits.gate.set()

    started = await (await api.doctor()).post("/api/consultations", json=start_body())

    assert started.status_code == 201


async def test_failed_update_without_answer_is_undecided(without_hints: tuple[ApiDriver, SlowVisits]) -> None:
    api, visits = without_hints
    visits.away = True

    undecided = await (await api.doctor()).post("/api/consultations", json=start_body())
    await api.app.dependencies.undecided_reports.close()

    assert (undecided.status_code, undecided.json()["code"], await metric_lines(api)) == (503, "undecided", [])


async def test_silent_database_does_not_hide_error_of_update(
    without_hints: tuple[ApiDriver, SlowVisits], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, visits = without_hints
    visits.away = True
    monkeypatch.setattr(update_calls, "FIND_DESPITE_ERROR_SECONDS", 0.01)
    monkeypatch.setattr(UpdateCalls, "_find_decided", _never_answer)
    doctor = await api.doctor()

    answer = await doctor.post("/api/consultations", json=start_body())
    await api.app.dependencies.undecided_reports.close()

    assert answer.status_code == 503
    assert 'visit_undecided_total{reason="temporal_away"} 1.0' in (await doctor.get("/metrics")).text


async def _never_answer(_calls: UpdateCalls, _request: Request) -> None:
    await asyncio.Event().wait()


async def test_error_after_answer_is_not_reported(
    slow: tuple[ApiDriver, SlowVisits], loop_errors: Callable[[], list[Any]]
) -> None:
    api, visits = slow
    visits.error = RPCError("the server has gone", RPCStatusCode.UNAVAILABLE, b"")

    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    visits.gate.set()
    await wait_until_async(lambda: visits.waiting == 0, "the update's error")

    assert started.status_code == 201
    assert loop_errors() == []


async def test_caller_that_gives_up_ends_its_call(
    without_hints: tuple[ApiDriver, SlowVisits], loop_errors: Callable[[], list[Any]]
) -> None:
    api, visits = without_hints
    doctor = await api.doctor()
    starting = asyncio.create_task(doctor.post("/api/consultations", json=start_body()))
    await wait_until_async(lambda: visits.waiting == 1, "the update waits")

    starting.cancel()
    await wait_until_async(lambda: visits.waiting == 0, "the end of the call")

    assert loop_errors() == []


async def test_end_of_process_cancels_calls_left(slow: tuple[ApiDriver, SlowVisits]) -> None:
    api, visits = slow
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await wait_until_async(lambda: visits.waiting == 1, "the update waits for the gate")

    await api.app.dependencies.update_calls.close()

    assert visits.waiting == 0


async def test_number_of_calls_left_is_bounded(
    slow: tuple[ApiDriver, SlowVisits], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update_calls, "MAX_CALLS_LEFT", 1)
    api, visits = slow

    first = await (await api.doctor()).post("/api/consultations", json=start_body())
    second = await (await api.doctor()).post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))

    assert (first.status_code, second.status_code) == (201, 201)
    await wait_until_async(lambda: visits.waiting == 1, "the end of the second call")


async def test_call_left_ends_after_its_time(
    slow: tuple[ApiDriver, SlowVisits], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, visits = slow
    limits = record_limits(monkeypatch)
    watch = AnswerWatch(api.database, NoHints(), 0.02)
    calls = UpdateCalls(api.database, visits, watch, CALL_SECONDS, lambda _: None)

    # The gate stays closed.
    stored = await calls.send_and_find(a_start(JOHN_CARDIOLOGY, "k"), DAY)
    await wait_until_async(lambda: visits.waiting == 1, "the call waits")
    # The test ends the time of the call. A real limit could be over before the commit, on a busy machine.
    limits[CALL_SECONDS].reschedule(0)

    await wait_until_async(lambda: visits.waiting == 0, "the end of the call")
    assert stored is not None
    assert stored.status == 201


def record_limits(monkeypatch: pytest.MonkeyPatch) -> dict[float | None, asyncio.Timeout]:
    """The limits that `asyncio.timeout` sets from now on, by their seconds."""
    limits: dict[float | None, asyncio.Timeout] = {}
    timeout = asyncio.timeout

    def record(seconds: float | None) -> asyncio.Timeout:
        limits[seconds] = timeout(seconds)
        return limits[seconds]

    monkeypatch.setattr(asyncio, "timeout", record)
    return limits
