"""Real API processes on one database: each tells a supervisor who reads the streams of all of them."""

import asyncio
import json
import signal
from typing import Any

import pytest

from tests.support.api_processes import ApiProcess, ApiProcesses, eventually_true, token


async def present(api: ApiProcess) -> dict[str, dict[str, Any]]:
    """What the process answers a supervisor, by the readers' names."""
    client = await api.connect()
    try:
        headers = {"authorization": f"Bearer {token('head', role='supervisor')}", "connection": "close"}
        await client.ask("GET", "/api/presence", headers)
        assert client.status == 200
        return {item["name"]: item for item in json.loads(await client.text())["items"]}
    finally:
        client.close()


async def told(api: ApiProcess, *names: str) -> dict[str, dict[str, Any]]:
    """Its answer once it tells of these and of nobody else."""
    found: dict[str, dict[str, Any]] = {}

    async def tells_of_them() -> bool:
        found.clear()
        found.update(await present(api))
        return set(found) == set(names)

    await eventually_true(tells_of_them, f"{api.name} to tell of {names}")
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_process_tells_of_the_readers_of_all_until_one_stops(
    hospital: ApiProcesses, number: signal.Signals
) -> None:
    first, second = await asyncio.gather(hospital.start(), hospital.start())
    await hospital.live(first, "amrani", 7)
    leaving = await hospital.live(second, "okafor", 8)

    by_first, by_second = await asyncio.gather(told(first, "amrani", "okafor"), told(second, "amrani", "okafor"))
    second.signal(number)
    await leaving.read_to_the_end()
    code = await second.exited()
    afterwards = await present(first)

    def places(seen: dict[str, dict[str, Any]]) -> dict[str, str]:
        return {name: item["process"] for name, item in seen.items()}

    assert places(by_first) == places(by_second)
    assert len(set(places(by_first).values())) == 2
    assert all(item["live"] and item["behind"] == 0 for item in (*by_first.values(), *by_second.values()))
    assert code == 0
    assert places(afterwards) == {"amrani": by_first["amrani"]["process"]}
    for api in (first, second):
        log = api.log.read_text().lower()
        assert not [word for word in ("traceback", '"error"', '"warning"', "amrani", "okafor") if word in log], log
