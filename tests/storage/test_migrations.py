"""The history of the schema: it ends where the tables are, on both databases, whoever runs it and how often."""

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
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, inspect, select, text
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.storage.tables import callers, log_head, metadata, stream_readers
from patient_visit_engine.wire.events import Event
from tests.support.builders import NOON, an_appointment, seed

AN_EVENT = Event("patient.updated", "consultations", "once", {"number": 1}, 1)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without anything in it."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'visits.db'}"
    empty: str = request.getfixturevalue("empty_postgres")
    return empty


async def on(url: str, unit: Any) -> Any:
    database = Database(url)
    try:
        return await database.write(unit)
    finally:
        await database.close()


def bring_to(revision: str) -> Any:
    """A unit that brings the database to an older schema, as an older program left it."""

    def unit(connection: Connection) -> None:
        history = ScriptDirectory(migrations.HISTORY)
        steps: Any = lambda found, _context: history._upgrade_revs(revision, found)  # noqa: E731
        with EnvironmentContext(Config(), history, fn=steps) as environment:
            environment.configure(connection=connection)
            environment.run_migrations()

    return unit


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def rules(connection: Connection) -> dict[str, Any]:
    """Everything that the database says of its tables, names and conditions of the rules included."""
    seen: Inspector = inspect(connection)
    names = sorted(set(seen.get_table_names()) - {"alembic_version"})
    return {
        name: {
            "columns": [
                (each["name"], str(each["type"]), each["nullable"], each.get("default"))
                for each in seen.get_columns(name)
            ],
            "primary key": seen.get_pk_constraint(name),
            "checks": sorted((str(each["name"]), each["sqltext"]) for each in seen.get_check_constraints(name)),
            "unique": sorted((str(each["name"]), each["column_names"]) for each in seen.get_unique_constraints(name)),
            "foreign keys": sorted(
                (each["constrained_columns"], each["referred_table"], each["referred_columns"])
                for each in seen.get_foreign_keys(name)
            ),
            "indexes": sorted(
                (
                    str(each["name"]),
                    each["column_names"],
                    bool(each["unique"]),
                    sorted((key, str(value)) for key, value in each.get("dialect_options", {}).items()),
                )
                for each in seen.get_indexes(name)
            ),
        }
        for name in names
    }


async def test_the_history_ends_where_the_tables_are(url: str) -> None:
    migrations.upgrade(url)

    migrated = await on(url, rules)
    assert await on(url, differences) == []
    await on(url, metadata.drop_all)
    await on(url, metadata.create_all)
    assert migrated == await on(url, rules)
    assert set(migrated) == set(metadata.tables)


async def test_a_new_database_has_an_empty_log_and_the_engine_as_a_caller(url: str) -> None:
    migrations.upgrade(url)

    head = await on(url, lambda connection: connection.execute(select(log_head)).one())
    assert (head.id, head.seq, len(head.epoch)) == (1, 0, 8)
    assert await on(url, lambda connection: connection.scalars(select(callers.c.subject)).all()) == ["system"]


async def test_a_second_migration_changes_nothing(url: str) -> None:
    assert migrations.current(url) is None
    migrations.upgrade(url)
    before = await on(url, lambda connection: connection.scalar(select(log_head.c.epoch)))

    assert migrations.upgrade(url) == migrations.newest() == migrations.current(url)

    assert await on(url, lambda connection: connection.scalar(select(log_head.c.epoch))) == before


async def test_what_the_first_schema_holds_is_there_in_the_newest(url: str) -> None:
    await on(url, bring_to("0001"))
    assert migrations.current(url) == "0001"
    await on(url, lambda connection: seed(connection, an_appointment()))
    await on(url, lambda connection: append(connection, [AN_EVENT], NOON))
    kept = [table for table in metadata.sorted_tables if not table.name.startswith("stream_")]

    def rows(connection: Connection) -> dict[str, list[Any]]:
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in kept}

    before = await on(url, rows)
    with pytest.raises(migrations.UnknownSchemaError, match=r"schema 0001, .* run `visit-engine migrate`"):
        migrations.check(url)
    migrations.upgrade(url)

    assert before["appointments"]
    assert before["events"]
    assert await on(url, rows) == before
    assert await on(url, differences) == []
    assert await on(url, lambda connection: connection.scalars(select(stream_readers.c.number)).all()) == []


async def test_of_migrations_at_the_same_time_one_is_done_and_others_are_refused_or_find_it_done(url: str) -> None:
    together = 6

    ended = await asyncio.gather(
        *(asyncio.to_thread(migrations.upgrade, url) for _ in range(together)), return_exceptions=True
    )

    assert migrations.newest() in ended
    assert {one if isinstance(one, str) else type(one) for one in ended} <= {
        migrations.newest(),
        migrations.MigrationUnderWayError,
    }
    assert await on(url, lambda connection: connection.scalars(select(log_head.c.seq)).all()) == [0]


@contextmanager
def another_at_work(url: str) -> Iterator[None]:
    """Somebody holds what a migration holds while it is under way."""
    if url.startswith("sqlite"):
        path = Path(url.partition("///")[2])
        with path.with_name(f"{path.name}.migrating").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    begun, over = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({migrations.ADVISORY_LOCK})"))
        begun.set()
        assert over.wait(30)

    with ThreadPoolExecutor(1) as threads:
        holding = threads.submit(lambda: asyncio.run(on(url, hold)))
        assert begun.wait(30)
        try:
            yield
        finally:
            over.set()
        holding.result()


async def test_a_migration_is_refused_while_another_is_under_way(url: str) -> None:
    with another_at_work(url):
        with pytest.raises(migrations.MigrationUnderWayError):
            await asyncio.to_thread(migrations.upgrade, url)
        with pytest.raises(migrations.MigrationUnderWayError):
            await asyncio.to_thread(migrations.downgrade, url, "0001")

    assert migrations.current(url) is None
    assert migrations.upgrade(url) == migrations.newest()


async def test_the_way_back_leaves_what_the_older_schema_holds_and_can_be_gone_again(url: str) -> None:
    migrations.upgrade(url)
    await on(url, lambda connection: seed(connection, an_appointment()))
    await on(url, lambda connection: append(connection, [AN_EVENT], NOON))

    assert migrations.downgrade(url, "0001") == "0001" == migrations.current(url)

    tables = set(await on(url, lambda connection: inspect(connection).get_table_names()))
    assert not {name for name in tables if name.startswith("stream_")}
    assert await on(url, lambda connection: connection.scalar(select(log_head.c.seq))) == 1
    assert migrations.upgrade(url) == migrations.newest()
    assert await on(url, differences) == []


@pytest.mark.parametrize("revision", ["0000", "base", "", "9999", "head"])
async def test_there_is_no_way_back_to_what_is_no_older_schema(url: str, revision: str) -> None:
    migrations.upgrade(url)

    with pytest.raises(migrations.UnknownSchemaError, match="no way back"):
        migrations.downgrade(url, revision)

    assert migrations.current(url) == migrations.newest()


def test_the_folder_of_a_new_file_is_made(tmp_path: Path) -> None:
    migrations.upgrade(f"sqlite+aiosqlite:///{tmp_path / 'not' / 'yet' / 'visits.db'}")

    assert (tmp_path / "not" / "yet" / "visits.db").exists()


async def test_a_migration_that_fails_leaves_nothing(url: str) -> None:
    await on(url, lambda connection: connection.execute(text("CREATE TABLE sign_in_failures (id INTEGER)")))

    with pytest.raises(DBAPIError, match="already exists"):
        migrations.upgrade(url)

    assert migrations.current(url) is None
    assert set(await on(url, lambda connection: inspect(connection).get_table_names())) == {"sign_in_failures"}


def test_a_database_without_a_schema_is_refused_and_left_alone(url: str) -> None:
    with pytest.raises(migrations.UnknownSchemaError, match="run `visit-engine migrate`"):
        migrations.check(url)

    assert not url.startswith("sqlite") or not Path(url.partition("///")[2]).exists()


def test_a_database_at_the_newest_schema_is_accepted(url: str) -> None:
    migrations.upgrade(url)

    migrations.check(url)


async def test_a_database_of_a_newer_program_is_refused(url: str) -> None:
    migrations.upgrade(url)
    await on(url, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))

    with pytest.raises(migrations.UnknownSchemaError, match=r"schema 9999, .* newer program"):
        migrations.check(url)
    with pytest.raises(migrations.UnknownSchemaError, match="newer program"):
        migrations.upgrade(url)
