"""`visit-engine migrate` against a real Temporal server: again, at the same time, and with nobody there."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client

from patient_visit_engine.runtime import dev_server, namespace
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage import migrations
from tests.support.up import ON_BOTH, PROGRAM, UpEnvironment, free_ports


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Temporal server on which nothing is prepared."""
    port, ui_port = free_ports(2)
    folder: Path = tmp_path_factory.mktemp("temporal")
    settings = Settings(data_dir=folder, temporal_port=port, ui_port=ui_port, temporal_namespace="elsewhere")
    command = dev_server.command(settings)
    while "--search-attribute" in command:
        at = command.index("--search-attribute")
        del command[at : at + 2]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        yield f"127.0.0.1:{port}"
        server.terminate()


def frontend(address: str, namespace: str = "default") -> Settings:
    return Settings(temporal_address=address, temporal_namespace=namespace)


async def prepared(client: Client) -> tuple[timedelta, dict[str, int]]:
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return described.config.workflow_execution_retention_ttl.ToTimedelta(), dict(listed.custom_attributes)


async def test_the_default_namespace_keeps_visits_for_a_week_and_can_be_searched(temporal: str) -> None:
    client = await namespace.prepare(frontend(temporal))

    assert await prepared(client) == (timedelta(days=7), {"PatientId": 3, "VisitDay": 2})


async def test_a_namespace_that_is_missing_is_made_also_by_several_at_the_same_time(temporal: str) -> None:
    clients = await asyncio.gather(*(namespace.prepare(frontend(temporal, "hospital")) for _ in range(4)))

    assert await prepared(clients[0]) == (timedelta(days=7), {"PatientId": 3, "VisitDay": 2})


async def test_a_namespace_that_keeps_visits_longer_is_left_so(temporal: str) -> None:
    client = await namespace.prepare(frontend(temporal, "archive"))
    longer = UpdateNamespaceRequest(namespace="archive")
    longer.config.workflow_execution_retention_ttl.FromTimedelta(timedelta(days=30))
    await client.workflow_service.update_namespace(longer)

    await namespace.prepare(frontend(temporal, "archive"))

    assert (await prepared(client))[0] == timedelta(days=30)


@ON_BOTH
def test_migrating_twice_does_no_harm_and_of_two_at_once_one_is_done(
    temporal: str, surroundings: UpEnvironment
) -> None:
    environment = surroundings.environment(VISIT_TEMPORAL_ADDRESS=temporal)
    both = [
        subprocess.Popen(
            [PROGRAM, "migrate"], env=environment, cwd=surroundings.folder, stdout=-1, stderr=-1, text=True
        )
        for _ in range(2)
    ]
    told = [(*process.communicate(timeout=60), process.returncode) for process in both]

    again = surroundings.run("migrate", VISIT_TEMPORAL_ADDRESS=temporal)

    done = (
        f"database: at schema {migrations.newest()}\n"
        "temporal: namespace default keeps closed visits for 7 days or longer\n",
        "",
        0,
    )
    refused = ("", "VISIT_DATABASE_URL: another migration of this database is under way: wait for its end\n", 1)
    assert done in told
    assert set(told) <= {done, refused}
    assert (again.stdout, again.stderr, again.returncode) == done
    migrations.check(surroundings.database)


@ON_BOTH
def test_a_database_can_be_taken_back_for_an_older_program(surroundings: UpEnvironment) -> None:
    surroundings.run("migrate", "--database-only")

    told = surroundings.run("migrate", "--back-to", "0001")
    nowhere = surroundings.run("migrate", "--back-to", "7777")
    api = surroundings.run("api")

    assert (told.returncode, told.stdout) == (0, "database: at schema 0001\n")
    assert (nowhere.returncode, nowhere.stderr) == (1, "VISIT_DATABASE_URL: there is no way back to schema 7777\n")
    assert api.returncode != 0
    assert "run `visit-engine migrate`" in api.stdout + api.stderr


@ON_BOTH
def test_the_database_can_be_migrated_without_temporal(surroundings: UpEnvironment) -> None:
    told = surroundings.run("migrate", "--database-only")

    assert (told.returncode, told.stdout) == (0, f"database: at schema {migrations.newest()}\n")


def test_a_database_that_is_none_is_one_line_that_names_the_variable(surroundings: UpEnvironment) -> None:
    surroundings.data.mkdir()
    (surroundings.data / "visits.db").write_text("a letter, not a database" * 100)

    told = surroundings.run("migrate", "--database-only")

    assert told.returncode == 1
    assert told.stderr == "VISIT_DATABASE_URL: the database cannot be migrated (file is not a database)\n"


async def test_a_temporal_that_does_not_answer_is_named_after_a_while() -> None:
    (port,) = free_ports(1)

    with pytest.raises(OperatorError, match=rf"VISIT_TEMPORAL_ADDRESS: .* 127.0.0.1:{port} within 0.3 s"):
        await namespace.prepare(frontend(f"127.0.0.1:{port}"), timedelta(seconds=0.3))
