"""Real API processes on one database: each shows the subscribers of all of them."""

import asyncio
import json
import signal
from typing import Any

import pytest

from tests.support.api_processes import ApiProcess, ApiProcesses, token
from tests.support.log_lines import lines_without_temporal
from tests.support.waiting import wait_until_async


async def get_presence(api: ApiProcess) -> dict[str, dict[str, Any]]:
    """Return the presence items that this process shows to a supervisor, by name."""
    client = await api.connect()
    try:
        headers = {"authorization": f"Bearer {token('head', role='supervisor')}", "connection": "close"}
        await client.ask("GET", "/api/presence", headers)
        assert client.status == 200
        return {item["name"]: item for item in json.loads(await client.text())["items"]}
    finally:
        client.close()


async def wait_for_presence(api: ApiProcess, *names: str) -> dict[str, dict[str, Any]]:
    """Wait until the process shows exactly these names. Return the items."""
    items: dict[str, dict[str, Any]] = {}

    async def shows_names() -> bool:
        items.clear()
        items.update(await get_presence(api))
        return set(items) == set(names)

    await wait_until_async(shows_names, f"{api.name} to show {names}")
    return items


@pytest.mark.parametrize(
    ("database", "number"),
    [pytest.param("sqlite", signal.SIGTERM, marks=pytest.mark.long), ("postgres", signal.SIGINT)],
    indirect=["database"],
)
async def test_shows_subscribers_of_all_processes(api_processes: ApiProcesses, number: signal.Signals) -> None:
    first, second = await asyncio.gather(api_processes.start(), api_processes.start())
    await api_processes.open_live(first, "amrani", 7)
    leaving = await api_processes.open_live(second, "okafor", 8)

    by_first, by_second = await asyncio.gather(
        wait_for_presence(first, "amrani", "okafor"), wait_for_presence(second, "amrani", "okafor")
    )
    second.signal(number)
    await leaving.read_to_the_end()
    code = await second.exited()
    afterwards = await get_presence(first)

    def processes_of(items: dict[str, dict[str, Any]]) -> dict[str, str]:
        return {name: item["process"] for name, item in items.items()}

    assert processes_of(by_first) == processes_of(by_second)
    assert len(set(processes_of(by_first).values())) == 2
    assert all(item["live"] and item["behind"] == 0 for item in (*by_first.values(), *by_second.values()))
    assert code == 0
    assert processes_of(afterwards) == {"amrani": by_first["amrani"]["process"]}
    for api in (first, second):
        log = "\n".join(lines_without_temporal(api.log))
        assert not [word for word in ("traceback", '"error"', '"warning"', "amrani", "okafor") if word in log], log
