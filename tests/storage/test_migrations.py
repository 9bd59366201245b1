"""Migrations on both databases: upgrade, downgrade, concurrent runs and the check of the schema."""

import asyncio
import fcntl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Inspector, inspect, select, text
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.storage import migrations, schema_version
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.storage.tables import callers, log_head, metadata
from patient_visit_engine.wire.event_context import Event
from tests.support.builders import NOON, an_appointment, seed
from tests.support.databases import on_kind
from tests.support.migrating import migrate_to, run_on

AN_EVENT = Event("patient.updated", "consultations", "once", {"number": 1}, 1)


def differences_from_tables(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def describe_schema(connection: Connection) -> dict[str, Any]:
    """All tables with their columns, constraints and indexes, by name and condition."""
    inspector: Inspector = inspect(connection)
    names = sorted(set(inspector.get_table_names()) - {"alembic_version"})
    return {
        name: {
            "columns": [
                (item["name"], str(item["type"]), item["nullable"], item.get("default"))
                for item in inspector.get_columns(name)
            ],
            "primary key": inspector.get_pk_constraint(name),
            "checks": sorted((str(item["name"]), item["sqltext"]) for item in inspector.get_check_constraints(name)),
            "unique": sorted(
                (str(item["name"]), item["column_names"]) for item in inspector.get_unique_constraints(name)
            ),
            "foreign keys": sorted(
                (item["constrained_columns"], item["referred_table"], item["referred_columns"])
                for item in inspector.get_foreign_keys(name)
            ),
            "indexes": sorted(
                (
                    str(item["name"]),
                    item["column_names"],
                    bool(item["unique"]),
                    sorted((key, str(value)) for key, value in item.get("dialect_options", {}).items()),
                )
                for item in inspector.get_indexes(name)
            ),
        }
        for name in names
    }


async def test_upgrade_creates_exactly_the_tables(url: str) -> None:
    migrations.upgrade(url)

    migrated = await run_on(url, describe_schema)
    assert await run_on(url, differences_from_tables) == []
    await run_on(url, metadata.drop_all)
    await run_on(url, metadata.create_all)
    assert migrated == await run_on(url, describe_schema)
    assert set(migrated) == set(metadata.tables)


async def test_new_database_has_empty_log_and_caller(url: str) -> None:
    migrations.upgrade(url)

    head = await run_on(url, lambda connection: connection.execute(select(log_head)).one())
    assert (head.id, head.seq, len(head.epoch)) == (1, 0, 8)
    assert await run_on(url, lambda connection: connection.scalars(select(callers.c.subject)).all()) == ["system"]


async def test_second_upgrade_changes_nothing(url: str) -> None:
    assert schema_version.current(url) is None
    migrations.upgrade(url)
    before = await run_on(url, lambda connection: connection.scalar(select(log_head.c.epoch)))

    assert migrations.upgrade(url) == schema_version.NEWEST == schema_version.current(url)

    assert await run_on(url, lambda connection: connection.scalar(select(log_head.c.epoch))) == before


async def test_check_refuses_first_schema(url: str) -> None:
    await run_on(url, migrate_to("0001"))
    assert schema_version.current(url) == "0001"

    with pytest.raises(schema_version.UnknownSchemaError, match=r"schema 0001, .* run `visit-engine migrate`"):
        schema_version.check(url)


async def test_one_of_concurrent_upgrades_runs(url: str) -> None:
    results = await asyncio.gather(
        *(asyncio.to_thread(migrations.upgrade, url) for _ in range(6)), return_exceptions=True
    )

    assert schema_version.NEWEST in results
    assert {result if isinstance(result, str) else type(result) for result in results} <= {
        schema_version.NEWEST,
        migrations.MigrationUnderWayError,
    }
    assert await run_on(url, lambda connection: connection.scalars(select(log_head.c.seq)).all()) == [0]


@contextmanager
def other_migration(url: str) -> Iterator[None]:
    """Hold the lock of a running migration."""
    if url.startswith("sqlite"):
        path = Path(url.partition("///")[2])
        with path.with_name(f"{path.name}.migrating").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    locked, finished = threading.Event(), threading.Event()

    def hold_lock(connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({migrations.ADVISORY_LOCK})"))
        locked.set()
        assert finished.wait(30)

    with ThreadPoolExecutor(1) as threads:
        holder = threads.submit(lambda: asyncio.run(run_on(url, hold_lock)))
        assert locked.wait(30)
        try:
            yield
        finally:
            finished.set()
        holder.result()


async def test_refuses_migration_during_another(url: str) -> None:
    with other_migration(url):
        with pytest.raises(migrations.MigrationUnderWayError):
            await asyncio.to_thread(migrations.upgrade, url)
        with pytest.raises(migrations.MigrationUnderWayError):
            await asyncio.to_thread(migrations.downgrade, url, "0001")

    assert schema_version.current(url) is None
    assert migrations.upgrade(url) == schema_version.NEWEST


async def test_downgrade_keeps_rows_of_older_schema(url: str) -> None:
    migrations.upgrade(url)
    await run_on(url, lambda connection: seed(connection, an_appointment()))
    await run_on(url, lambda connection: append(connection, [AN_EVENT], NOON))

    assert migrations.downgrade(url, "0001") == "0001" == schema_version.current(url)

    tables = set(await run_on(url, lambda connection: inspect(connection).get_table_names()))
    assert not {name for name in tables if name.startswith("stream_")}
    assert await run_on(url, lambda connection: connection.scalar(select(log_head.c.seq))) == 1
    assert migrations.upgrade(url) == schema_version.NEWEST
    assert await run_on(url, differences_from_tables) == []


@on_kind("url", "sqlite")
@pytest.mark.parametrize("revision", ["0000", "base", "", "9999", "head"])
async def test_refuses_downgrade_to_unknown_revision(url: str, revision: str) -> None:
    migrations.upgrade(url)

    with pytest.raises(schema_version.UnknownSchemaError, match="no way back"):
        migrations.downgrade(url, revision)

    assert schema_version.current(url) == schema_version.NEWEST


def test_upgrade_creates_folder_of_file(tmp_path: Path) -> None:
    migrations.upgrade(f"sqlite+aiosqlite:///{tmp_path / 'not' / 'yet' / 'visits.db'}")

    assert (tmp_path / "not" / "yet" / "visits.db").exists()


async def test_failed_upgrade_leaves_nothing(url: str) -> None:
    await run_on(url, lambda connection: connection.execute(text("CREATE TABLE sign_in_failures (id INTEGER)")))

    with pytest.raises(DBAPIError, match="already exists"):
        migrations.upgrade(url)

    assert schema_version.current(url) is None
    assert set(await run_on(url, lambda connection: inspect(connection).get_table_names())) == {"sign_in_failures"}


def test_check_refuses_database_without_schema(url: str) -> None:
    with pytest.raises(schema_version.UnknownSchemaError, match="run `visit-engine migrate`"):
        schema_version.check(url)

    assert not url.startswith("sqlite") or not Path(url.partition("///")[2]).exists()


def test_check_accepts_newest_schema(url: str) -> None:
    migrations.upgrade(url)

    schema_version.check(url)


async def test_refuses_database_of_newer_program(url: str) -> None:
    migrations.upgrade(url)
    await run_on(url, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))

    with pytest.raises(schema_version.UnknownSchemaError, match=r"schema 9999, .* newer program"):
        schema_version.check(url)
    with pytest.raises(schema_version.UnknownSchemaError, match="newer program"):
        migrations.upgrade(url)
