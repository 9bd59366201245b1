"""Two API and two worker processes on one PostgreSQL. Each fails once under load, and nothing is lost or doubled."""

import asyncio
import os
import time
from random import Random

import httpx
import pytest

from tests.support.engine import wait_until_ready
from tests.support.postgres import ThrowawayPostgres
from tests.support.replicas import Replicas
from tests.support.rush_hour import RushHour, RushHourScreen, as_json
from tests.support.waiting import wait_until_async

PATIENTS, DOCTORS = range(1, 9), range(1, 7)
#: How long the database is stopped. No request waits so long.
OUTAGE_SECONDS = 20
SEED = int(os.environ.get("VISIT_TEST_SEED", "7"))


async def wait_for_outage(replicas: Replicas) -> None:
    """Wait until both APIs answer reads and starts with 503 and Retry-After, and are not ready."""
    for _process, url in replicas.apis:
        async with replicas.staff("doctor", 1) as doctor:

            async def is_unavailable(client: httpx.AsyncClient = doctor, url: str = url) -> bool:
                worklist = await client.get(f"{url}/api/appointments")
                body = {"appointment_id": 1, "patient_id": 1, "doctor_id": 1}
                start = await client.post(f"{url}/api/consultations", json=body)
                ready = await client.get(f"{url}/readyz")
                answers = (worklist, start, ready)
                assert {answer.status_code for answer in answers} <= {200, 404, 409, 422, 503}
                return all(answer.status_code == 503 and "Retry-After" in answer.headers for answer in answers)

            await wait_until_async(is_unavailable, f"{url} answers that the database is away")


async def kill_one_of_each(replicas: Replicas, rush: RushHour, number: int) -> None:
    """Kill and restart one API and one worker under load, and wait until both work again.

    The database must be up, because a worker without it exits and no supervisor starts it again.
    """
    api, url = replicas.apis[number]
    api.kill()
    await rush.wait_for_decisions(10)
    api.start()
    worker = replicas.workers[number]
    worker.kill()
    await rush.wait_for_decisions(10)
    starts = worker.log.read_text().count("worker ready")
    worker.start()
    await wait_until_ready(url)
    await wait_until_async(lambda: worker.log.read_text().count("worker ready") > starts, "the worker is ready")


async def stop_database(replicas: Replicas, postgres: ThrowawayPostgres) -> None:
    """Stop PostgreSQL under load and start it again."""
    await asyncio.to_thread(postgres.stop)
    stopped_at = time.monotonic()
    await wait_for_outage(replicas)
    await asyncio.sleep(OUTAGE_SECONDS - (time.monotonic() - stopped_at))
    await asyncio.to_thread(postgres.start)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_rush_hour_survives_every_fault(replicas: Replicas, postgres: ThrowawayPostgres) -> None:
    rush = RushHour(replicas, Random(SEED))
    screens = [
        RushHourScreen(replicas, doctor, Random(SEED + number)) for number, doctor in enumerate((*DOCTORS, *DOCTORS))
    ]
    reading = [asyncio.create_task(screen.read()) for screen in screens]
    rush.tasks = [asyncio.create_task(rush.run_day(patient, DOCTORS, turns=50)) for patient in PATIENTS]

    await rush.wait_for_decisions(20)
    await kill_one_of_each(replicas, rush, 0)
    await stop_database(replicas, postgres)
    await rush.wait_for_decisions(20)
    await kill_one_of_each(replicas, rush, 1)
    await rush.wait_for_decisions(20)
    rush.over = True
    await asyncio.gather(*rush.tasks)

    assert rush.unexpected == []
    assert rush.unavailable > 0
    await check_answers_are_stable(rush)
    await check_screens_have_their_events(replicas, screens)
    await check_every_start_has_a_tracking(replicas, rush)
    code, output = await replicas.run_command("audit")
    assert (code, output.splitlines()[-1]) == (0, "audit: the rule holds"), output
    for task in reading:
        task.cancel()
    results = await asyncio.gather(*reading, return_exceptions=True)
    assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == []


async def check_answers_are_stable(rush: RushHour) -> None:
    sample = list(rush.answers.items())[:: max(1, len(rush.answers) // 60)]
    for key, answer in sample:
        assert as_json(await rush.send_again(key)) == as_json(answer), key


async def check_screens_have_their_events(replicas: Replicas, screens: list[RushHourScreen]) -> None:
    log = await replicas.rows("SELECT seq, channel FROM events ORDER BY seq")
    assert [row["seq"] for row in log] == list(range(1, len(log) + 1))
    for screen in screens:
        channels = {"consultations", f"doctor.{screen.doctor}"}
        expected = [
            row["seq"] for row in log if row["channel"] in channels and row["seq"] > (screen.first_position or 0)
        ]
        await screen.wait_for_count(len(expected))
        assert screen.positions == expected
        assert screen.resets == 0
    assert sum(screen.connections for screen in screens) > len(screens)


async def check_every_start_has_a_tracking(replicas: Replicas, rush: RushHour) -> None:
    rows = await replicas.rows("SELECT consultation_id FROM patient_trackings WHERE consultation_id IS NOT NULL")
    started = [body["id"] for status, body in rush.answers.values() if status == 201]
    assert len(started) > len(PATIENTS)
    assert sorted(row["consultation_id"] for row in rows) == sorted(started)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_replay_survives_killed_api_and_worker(replicas: Replicas) -> None:
    url = replicas.apis[1][1]
    arguments = ("--url", url, "--within", "15", "--patients", "60", "--doctors-race", "3", "--run", "7")
    replaying = asyncio.create_task(replicas.run_command("replay", *arguments))

    async def is_under_load() -> bool:
        assert not replaying.done(), replaying.result()
        [row] = await replicas.rows("SELECT count(*) AS n FROM requests")
        return bool(row["n"] >= 20)

    await wait_until_async(is_under_load, "20 requests of the replay")
    for process in (replicas.apis[0][0], replicas.workers[0]):
        process.kill()
        process.start()
    code, output = await replaying

    assert "replay: no faults" in output, output
    assert code == 0
    assert "the rule holds" in output
