"""The queries of `docs/temporal-ui.md`, run as an operator runs them, on a server with visits in those states."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.runtime import dev_server, namespace
from patient_visit_engine.runtime.settings import Settings
from tests.support.layout import ROOT
from tests.support.operator_scene import AWAITED, FREE, HELD, LONG, RESERVED, STUCK, open_scene

PAGE = (ROOT / "docs" / "temporal-ui.md").read_text()
QUERIES = dict(re.findall(r"^### (.+)\n\n```sh\n(\.venv/bin/temporal workflow list .+)\n```", PAGE, re.MULTILINE))
#: The patients whose visits each query returns.
RESULTS = {
    "Open for more than two hours": {LONG},
    "In consultation now": {HELD, AWAITED, LONG},
    "Visits of doctor 3": {HELD, AWAITED},
    "Who waits": {AWAITED, RESERVED},
    "Reserved patients": {RESERVED},
    "Stuck": {STUCK},
    "One patient": {FREE},
}


@pytest.fixture(scope="module")
async def server(temporal_server: WorkflowEnvironment) -> Settings:
    """The address, and a namespace without visits."""
    address = temporal_server.client.service_client.config.target_host
    return Settings(_env_file=None, temporal_address=address, temporal_namespace="operators")


@pytest.fixture(scope="module")
async def scene(
    server: Settings, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[int, str]]:
    client = await namespace.prepare(server)
    async with open_scene(client, migrated_file, tmp_path_factory.mktemp("scene")) as visits:
        yield visits


def run_query(command: str, server: Settings) -> set[str]:
    """The ids of the visits that the command lists."""
    program = command.replace(".venv/bin/temporal", str(dev_server.executable()))
    environment = os.environ | {
        "TEMPORAL_ADDRESS": server.effective_temporal_address,
        "TEMPORAL_NAMESPACE": server.temporal_namespace,
    }
    result = subprocess.run(["bash", "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(re.findall(r"visit/\d+/[\d-]+", result.stdout))


@pytest.mark.parametrize("name", RESULTS)
async def test_query_finds_its_visits(name: str, server: Settings, scene: dict[int, str]) -> None:
    listed = await asyncio.to_thread(run_query, QUERIES[name], server)

    assert listed == {scene[patient] for patient in RESULTS[name]}


def test_every_query_of_the_page_is_run() -> None:
    assert QUERIES.keys() == RESULTS.keys()
