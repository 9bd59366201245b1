"""Two API and two worker processes on one PostgreSQL, in a rush hour in which everything dies once: nothing is lost or doubled."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.support.engine import eventually, eventually_true
from tests.support.postgres import ThrowawayPostgres
from tests.support.replicas import Replicas
from tests.support.rush_hour import RushHour, RushHourScreen, as_json

PATIENTS, DOCTORS = range(1, 9), range(1, 7)
#: How long the database is away, in seconds: longer than any request waits.
AWAY = 20
SEED = int(os.environ.get("VISIT_TEST_SEED", "7"))


@pytest.fixture
def postgres() -> ThrowawayPostgres:
    if reason := ThrowawayPostgres.why_not():
        pytest.skip(reason)
    return ThrowawayPostgres("-c max_connections=200")


@pytest.fixture
async def replicas(postgres: ThrowawayPostgres, tmp_path: Path) -> AsyncIterator[Replicas]:
    """A hospital on a PostgreSQL server of its own, which a test may stop."""
    await asyncio.to_thread(postgres.open)
    opened = Replicas(tmp_path, f"{postgres.url}/postgres", decision_timeout="3", sweep_every="1")
    try:
        await opened.open()
        yield opened
    finally:
        await opened.close()
        await asyncio.to_thread(postgres.close)


async def program(replicas: Replicas, *asked: str) -> tuple[int | None, str]:
    """Exit code and output of a command of the program."""
    environment = os.environ | replicas.environment
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "patient_visit_engine.cli",
        *asked,
        env=environment,
        cwd=replicas.folder,
        stdout=PIPE,
        stderr=STDOUT,
    )
    printed, _ = await asyncio.wait_for(ran.communicate(), 150)
    return ran.returncode, printed.decode()


async def says_that_it_is_away(replicas: Replicas) -> None:
    """Reads and starts at both APIs are answered 503 with a time to come back, and no API is ready."""
    for _part, url in replicas.apis:
        async with replicas.staff("doctor", 1) as doctor:

            async def away(client: httpx.AsyncClient = doctor, url: str = url) -> bool:
                listed = await client.get(f"{url}/api/appointments")
                body = {"appointment_id": 1, "patient_id": 1, "doctor_id": 1}
                started = await client.post(f"{url}/api/consultations", json=body)
                ready = await client.get(f"{url}/readyz")
                answers = (listed, started, ready)
                assert {answer.status_code for answer in answers} <= {200, 404, 409, 422, 503}
                return all(answer.status_code == 503 and "Retry-After" in answer.headers for answer in answers)

            await eventually_true(away, f"{url} to say that the database is away")


async def one_of_each_dies(replicas: Replicas, rush: RushHour, number: int) -> None:
    """Killed in the thick of it; on return both are at work again. Nobody supervises them here, and without a database none starts."""
    api, url = replicas.apis[number]
    api.kill()
    await rush.go_on(10)
    api.start()
    worker = replicas.workers[number]
    worker.kill()
    await rush.go_on(10)
    starts = worker.log.read_text().count("worker ready")
    worker.start()
    await replicas.serves(url)
    await asyncio.to_thread(eventually, lambda: worker.log.read_text().count("worker ready") > starts, "the worker")


async def the_database_is_away(replicas: Replicas, postgres: ThrowawayPostgres) -> None:
    await asyncio.to_thread(postgres.stop)
    stopped = time.monotonic()
    await says_that_it_is_away(replicas)
    await asyncio.sleep(AWAY - (time.monotonic() - stopped))
    await asyncio.to_thread(postgres.start)


async def test_a_rush_hour_in_which_everything_dies_once(replicas: Replicas, postgres: ThrowawayPostgres) -> None:
    rush = RushHour(replicas, Random(SEED))
    screens = [
        RushHourScreen(replicas, doctor, Random(SEED + number)) for number, doctor in enumerate((*DOCTORS, *DOCTORS))
    ]
    reading = [asyncio.create_task(screen.read()) for screen in screens]
    rush.doing = [asyncio.create_task(rush.whole_day(patient, DOCTORS, turns=50)) for patient in PATIENTS]

    await rush.go_on(20)
    await one_of_each_dies(replicas, rush, 0)
    await the_database_is_away(replicas, postgres)
    await rush.go_on(20)
    await one_of_each_dies(replicas, rush, 1)
    await rush.go_on(20)
    rush.over = True
    await asyncio.gather(*rush.doing)

    assert rush.strange == []
    assert rush.away > 0
    await every_key_is_answered_as_before(rush)
    await every_screen_has_what_is_its_own(replicas, screens)
    await what_was_granted_is_what_was_begun(replicas, rush)
    code, proved = await program(replicas, "audit")
    assert (code, proved.splitlines()[-1]) == (0, "audit: the rule holds"), proved
    for task in reading:
        task.cancel()
    ended = await asyncio.gather(*reading, return_exceptions=True)
    assert [one for one in ended if not isinstance(one, asyncio.CancelledError)] == []


async def every_key_is_answered_as_before(rush: RushHour) -> None:
    some = list(rush.answers.items())[:: max(1, len(rush.answers) // 60)]
    for key, answer in some:
        assert as_json(await rush.again(key)) == as_json(answer), key


async def every_screen_has_what_is_its_own(replicas: Replicas, screens: list[RushHourScreen]) -> None:
    log = await replicas.rows("SELECT seq, channel FROM events ORDER BY seq")
    assert [row["seq"] for row in log] == list(range(1, len(log) + 1))
    for screen in screens:
        own = {"consultations", f"doctor.{screen.doctor}"}
        mine = [row["seq"] for row in log if row["channel"] in own and row["seq"] > (screen.begun_at or 0)]
        await screen.has(mine)
        assert screen.ids == mine
        assert screen.resets == 0
    assert sum(screen.connections for screen in screens) > len(screens)


async def what_was_granted_is_what_was_begun(replicas: Replicas, rush: RushHour) -> None:
    begun = await replicas.rows("SELECT consultation_id FROM patient_trackings WHERE consultation_id IS NOT NULL")
    granted = [body["id"] for status, body in rush.answers.values() if status == 201]
    assert len(granted) > len(PATIENTS)
    assert sorted(row["consultation_id"] for row in begun) == sorted(granted)


async def test_a_replayed_day_is_as_promised_while_the_other_api_and_a_worker_die(replicas: Replicas) -> None:
    address = replicas.apis[1][1]
    asked = ("--url", address, "--within", "15", "--patients", "60", "--doctors-race", "3", "--run", "7")
    replaying = asyncio.create_task(program(replicas, "replay", *asked))

    async def under_way() -> bool:
        [decided] = await replicas.rows("SELECT count(*) AS n FROM requests")
        return decided["n"] >= 20

    await eventually_true(under_way, "the replay to be in the thick of it")
    for part in (replicas.apis[0][0], replicas.workers[0]):
        part.kill()
        part.start()
    code, printed = await replaying

    assert "replay: all as promised" in printed, printed
    assert code == 0
    assert "the rule holds" in printed
