"""`visit-engine migrate` on a real Temporal server: repeated, twice at the same time, and without a server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client

from patient_visit_engine.runtime import namespace
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage import schema_version
from tests.support.ports import free_port
from tests.support.up import ON_BOTH, UpEnvironment

#: The search attributes with the numbers of their types.
ATTRIBUTES = {
    "PatientId": 3,
    "VisitDay": 2,
    "VisitState": 2,
    "DoctorId": 7,
    "ConsultationOpenSince": 6,
    "WaitingCount": 3,
}


def settings_for(address: str, namespace: str = "default") -> Settings:
    return Settings(temporal_address=address, temporal_namespace=namespace)


async def describe_namespace(client: Client) -> tuple[timedelta, dict[str, int]]:
    description = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    listing = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return description.config.workflow_execution_retention_ttl.ToTimedelta(), dict(listing.custom_attributes)


async def test_default_namespace_keeps_visits_for_a_week(temporal: str) -> None:
    client = await namespace.prepare(settings_for(temporal))

    assert await describe_namespace(client) == (timedelta(days=7), ATTRIBUTES)


async def test_concurrent_runs_create_missing_namespace(temporal: str) -> None:
    clients = await asyncio.gather(*(namespace.prepare(settings_for(temporal, "hospital")) for _ in range(4)))

    assert await describe_namespace(clients[0]) == (timedelta(days=7), ATTRIBUTES)


async def test_attributes_of_newer_version_are_added(temporal: str) -> None:
    client = await namespace.prepare(settings_for(temporal, "older"))
    newer = list(ATTRIBUTES)[2:]
    request = RemoveSearchAttributesRequest(namespace="older", search_attributes=newer)
    await client.operator_service.remove_search_attributes(request)
    missing = await namespace.missing_search_attributes(client)
    changes: list[str] = []

    await namespace.prepare(settings_for(temporal, "older"), report=changes.append)

    assert missing == newer
    assert changes == [f"search attributes {', '.join(newer)} were missing and are added"]
    assert (await describe_namespace(client))[1] == ATTRIBUTES


async def test_longer_retention_is_kept(temporal: str) -> None:
    client = await namespace.prepare(settings_for(temporal, "archive"))
    update_request = UpdateNamespaceRequest(namespace="archive")
    update_request.config.workflow_execution_retention_ttl.FromTimedelta(timedelta(days=30))
    await client.workflow_service.update_namespace(update_request)

    await namespace.prepare(settings_for(temporal, "archive"))

    assert (await describe_namespace(client))[0] == timedelta(days=30)


@ON_BOTH
def test_second_run_is_harmless_and_parallel_refused(temporal: str, up_environment: UpEnvironment) -> None:
    asyncio.run(namespace.prepare(settings_for(temporal)))

    def migrate(_: int) -> tuple[str, str, int]:
        ended = up_environment.run("migrate", VISIT_TEMPORAL_ADDRESS=temporal)
        return ended.stdout, ended.stderr, ended.returncode

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(migrate, range(2)))

    later = up_environment.run_here("migrate", VISIT_TEMPORAL_ADDRESS=temporal)

    success = (
        f"database: at schema {schema_version.NEWEST}\n"
        "temporal: namespace default keeps closed visits for 7 days or longer\n",
        "",
        0,
    )
    refusal = ("", "VISIT_DATABASE_URL: another migration of this database is running: wait until it ends\n", 1)
    assert success in results
    assert set(results) <= {success, refusal}
    assert (later.stdout, later.stderr, later.returncode) == success
    schema_version.check(up_environment.database)


def test_missing_parts_are_listed_once(temporal: str, up_environment: UpEnvironment) -> None:
    settings = {"VISIT_TEMPORAL_ADDRESS": temporal, "VISIT_TEMPORAL_NAMESPACE": "clinic"}
    first = up_environment.run_here("migrate", **settings)
    second = up_environment.run_here("migrate", **settings)

    assert first.stdout.splitlines()[1:] == [
        "temporal: namespace clinic was missing and is registered",
        f"temporal: search attributes {', '.join(ATTRIBUTES)} were missing and are added",
        "temporal: namespace clinic keeps closed visits for 7 days or longer",
    ]
    assert second.stdout.splitlines()[1:] == ["temporal: namespace clinic keeps closed visits for 7 days or longer"]


@ON_BOTH
def test_database_goes_back_for_older_program(up_environment: UpEnvironment) -> None:
    up_environment.run_here("migrate", "--database-only")

    downgrade = up_environment.run_here("migrate", "--back-to", "0001")
    unknown_revision = up_environment.run_here("migrate", "--back-to", "7777")
    api = up_environment.run("api")

    assert (downgrade.returncode, downgrade.stdout) == (0, "database: at schema 0001\n")
    assert (unknown_revision.returncode, unknown_revision.stderr) == (
        1,
        "VISIT_DATABASE_URL: there is no way back to schema 7777\n",
    )
    assert api.returncode != 0
    assert "run `visit-engine migrate`" in api.stdout + api.stderr


@ON_BOTH
def test_database_migrates_without_temporal(up_environment: UpEnvironment) -> None:
    result = up_environment.run_here("migrate", "--database-only")

    assert (result.returncode, result.stdout) == (0, f"database: at schema {schema_version.NEWEST}\n")


def test_invalid_file_names_its_variable(up_environment: UpEnvironment) -> None:
    up_environment.data.mkdir()
    (up_environment.data / "visits.db").write_text("a letter, not a database" * 100)

    result = up_environment.run_here("migrate", "--database-only")

    assert result.returncode == 1
    assert result.stderr == "VISIT_DATABASE_URL: the database cannot be migrated (file is not a database)\n"


async def test_unreachable_temporal_is_reported_in_time() -> None:
    port = free_port()

    with pytest.raises(OperatorError, match=rf"VISIT_TEMPORAL_ADDRESS: .* 127.0.0.1:{port} within 0.3 s"):
        await namespace.prepare(settings_for(f"127.0.0.1:{port}"), timedelta(seconds=0.3))
