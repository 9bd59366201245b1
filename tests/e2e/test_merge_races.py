"""Merges of two records against starts under both of them, over HTTP, while the worker is killed."""

import asyncio
import json
from collections import Counter, defaultdict
from functools import partial
from typing import Any

import httpx
import pytest

from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.wire.event_names import COMPLETED, PATIENT_MERGED, STARTED
from tests.support.decisions import send_until_decided
from tests.support.engine import Engine
from tests.support.waiting import wait_until_async

#: The pairs of records that are merged at one moment.
PAIRS = 4
#: How often such a moment comes. The worker is killed in each.
ROUNDS = 5
Answers = list[tuple[str, httpx.Response]]


async def merge(engine: Engine, survivor: int, retired: int, key: str) -> httpx.Response:
    """A supervisor makes both records one person."""
    async with engine.staff("supervisor") as supervisor:
        body = {"patient_id": retired, "reason": "Registered twice."}
        return await supervisor.post(f"/api/patients/{survivor}/merge", json=body, headers={"Idempotency-Key": key})


async def race(engine: Engine, survivor: int) -> Answers:
    """One moment of a pair: two doctors start under one record, one under the other, and both records are merged."""
    retired = survivor + 1
    await engine.admit(survivor, {survivor * 10 + doctor: doctor for doctor in (1, 2)})
    await engine.admit(retired, {retired * 10 + 3: 3})

    async def start(doctor: int, patient: int) -> tuple[str, httpx.Response]:
        number, key = patient * 10 + doctor, f"start-{patient}-{doctor}"
        return "start", await send_until_decided(lambda: engine.start(doctor, patient, number, key))

    async def merge_records() -> tuple[str, httpx.Response]:
        key = f"merge-{survivor}"
        return "merge", await send_until_decided(lambda: merge(engine, survivor, retired, key))

    return list(await asyncio.gather(start(1, survivor), start(3, retired), merge_records(), start(2, survivor)))


async def complete_all(engine: Engine, answers: Answers) -> None:
    """The doctors complete what they have started."""
    for name, answer in answers:
        if name == "start" and answer.status_code == 201:
            doctor, consultation_id = answer.json()["doctor_id"], answer.json()["id"]
            key = f"complete-{consultation_id}"
            completed = await send_until_decided(partial(engine.complete, doctor, consultation_id, key))
            assert completed.json()["outcome"] == "done"


async def read_log(engine: Engine, first: int, last: int) -> list[dict[str, Any]]:
    query = "SELECT name, patient_id, data FROM events WHERE patient_id BETWEEN :first AND :last ORDER BY seq"
    return await engine.rows(query, first=first, last=last)


def starts_while_busy(log: list[dict[str, Any]]) -> list[str]:
    """The consultations that began while another one of the same person was in progress, by the order of the log."""
    survivors: dict[int, int] = {}
    running: dict[int, set[str]] = defaultdict(set)
    wrong = []
    for event in log:
        data = json.loads(event["data"])
        person = survivors.get(event["patient_id"], event["patient_id"])
        if event["name"] == STARTED:
            wrong += [data["consultation_id"]] if running[person] else []
            running[person].add(data["consultation_id"])
        elif event["name"] == COMPLETED:
            running[person].remove(data["consultation_id"])
        elif event["name"] == PATIENT_MERGED:
            for record in data["retired"]:
                survivors[record] = person
                running[person] |= running.pop(record, set())
    return wrong


def test_finds_start_after_merge() -> None:
    def event(name: str, patient_id: int, **data: Any) -> dict[str, Any]:
        return {"name": name, "patient_id": patient_id, "data": json.dumps(data)}

    log = [
        event(STARTED, 1, consultation_id="a"),
        event(STARTED, 2, consultation_id="b"),
        event(PATIENT_MERGED, 1, retired=[2]),
        event(COMPLETED, 1, consultation_id="a"),
        event(STARTED, 1, consultation_id="c"),
    ]

    assert starts_while_busy(log) == ["c"]


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_merges_against_starts_keep_rule(breakable_engine: Engine) -> None:
    engine, first = breakable_engine, 60_000
    answers: Answers = []
    for number in range(ROUNDS):
        pairs = [first + 2 * (number * PAIRS + pair) for pair in range(PAIRS)]
        races = asyncio.gather(*(race(engine, survivor) for survivor in pairs))
        # Some decisions are recorded before the worker is killed, and some are not even made.
        await wait_until_async(partial(read_log, engine, pairs[0], pairs[-1] + 1), "the first event")
        engine.worker.kill()
        engine.worker.start()
        results = await races
        for result in results:
            await complete_all(engine, result)
            answers += result

    codes = Counter((name, answer.status_code, answer.json().get("code")) for name, answer in answers)
    assert codes.keys() <= {
        ("merge", 200, None),
        ("start", 201, None),
        ("start", 409, "patient_in_consultation"),
    }
    assert codes["merge", 200, None] == ROUNDS * PAIRS
    log = await read_log(engine, first, first + 2 * ROUNDS * PAIRS)
    assert starts_while_busy(log) == []
    names = Counter(event["name"] for event in log)
    assert names[PATIENT_MERGED] == ROUNDS * PAIRS
    assert names[STARTED] == names[COMPLETED] == codes["start", 201, None]
    assert (await engine.database.read(audit)).violations == []
