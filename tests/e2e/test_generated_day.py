"""A whole generated day of a clinic, with all that staff do in it, while an API and a worker are killed."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.support.balancer import Balancer
from tests.support.engine import wait_until_ready
from tests.support.replicas import Replicas
from tests.support.waiting import wait_until_async

#: Seconds for the whole replay. On two quiet cores it takes one minute.
PATIENCE = 540.0
OUTCOMES = {"seen": "done", "released": "released", "timed_out": "timed_out", "left": "left"}


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_generated_day_survives_kills(replicas: Replicas) -> None:
    balancer = Balancer([int(url.rpartition(":")[2]) for _, url in replicas.apis])
    await balancer.start()
    arguments = ("--generated", "--url", balancer.url, "--within", "30", "--run", "7")
    replaying = asyncio.create_task(replicas.run_command("replay", *arguments, patience=PATIENCE))

    await kill_one_of_each_in_the_middle(replicas, replaying)
    code, output = await replaying
    await balancer.stop()

    assert "replay: no faults" in output, output
    assert code == 0
    code, output = await replicas.run_command("audit")
    assert (code, output.splitlines()[-1]) == (0, "audit: the rule holds"), output
    await check_every_arrival_has_an_end(replicas)
    await check_report(replicas)


async def kill_one_of_each_in_the_middle(replicas: Replicas, replaying: asyncio.Task[Any]) -> None:
    """Kill an API and a worker after a third of the day, and start them again after half of it."""
    (api, url), worker = replicas.apis[0], replicas.workers[1]

    async def is_at(decisions: int) -> bool:
        assert not replaying.done(), replaying.result()
        [row] = await replicas.rows("SELECT count(*) AS n FROM requests")
        return bool(row["n"] >= decisions)

    await wait_until_async(lambda: is_at(150), "a third of the day", PATIENCE)
    api.kill()
    worker.kill()
    await wait_until_async(lambda: is_at(250), "half of the day", PATIENCE)
    api.start()
    worker.start()
    await wait_until_ready(url)


async def check_every_arrival_has_an_end(replicas: Replicas) -> None:
    """Each patient who arrived has left, was seen, or is on the board."""
    rows = await replicas.rows(
        "SELECT patient_id, outcome FROM patient_trackings WHERE outcome IS NULL OR outcome <> 'mistaken'"
    )
    async with replicas.staff("supervisor") as supervisor:
        board = (await supervisor.get(f"{replicas.apis[1][1]}/api/board")).json()
    shown = {item["patient_id"] for item in board["items"]}
    ended = {row["patient_id"] for row in rows if row["outcome"] in ("done", "left")}
    arrived = {row["patient_id"] for row in rows}
    assert len(arrived) > 120
    assert arrived <= ended | shown


async def check_report(replicas: Replicas) -> None:
    """The figures of the report are the numbers of rows. Each doctor's sum up to the total."""
    async with replicas.staff("supervisor") as supervisor:
        report = (await supervisor.get(f"{replicas.apis[1][1]}/api/reports/day")).json()
    outcomes = Counter(
        {
            row["outcome"]: row["n"]
            for row in await replicas.rows("SELECT outcome, count(*) AS n FROM patient_trackings GROUP BY outcome")
        }
    )
    [no_shows] = await replicas.rows("SELECT count(*) AS n FROM appointments WHERE cancel_reason = 'no_show'")
    [refused] = await replicas.rows("SELECT sum(coalesce(refusals, 1)) AS n FROM timeline WHERE event = 'refused'")
    total = report["total"]

    # Two check-outs were taken back.
    outcomes["left"] -= 2
    assert {name: total[name] for name in OUTCOMES} == {name: outcomes[out] for name, out in OUTCOMES.items()}
    assert (total["no_shows"], total["refused_starts"]) == (no_shows["n"], refused["n"])
    assert total["seen"] > 120
    for name in (*OUTCOMES, "no_shows", "refused_starts"):
        assert sum(doctor[name] for doctor in report["doctors"]) == total[name], name
