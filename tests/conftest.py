"""What several kinds of tests share: a browser, and an empty database with a schema of its own, on SQLite or on PostgreSQL."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.async_api import Browser
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from tests.support.chromium import MISSING, launched, program
from tests.support.postgres import ThrowawayPostgres


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The machine's own Chromium."""
    if program() is None:
        pytest.skip(MISSING)
    async with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema, to be copied: migrating takes longer than many a test."""
    path = tmp_path_factory.mktemp("schema") / "visits.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
async def on_sqlite(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Database]:
    """A fresh database on SQLite with the newest schema, closed at the end of the test."""
    path = tmp_path / "visits.db"
    await asyncio.to_thread(shutil.copyfile, migrated_file, path)
    opened = Database(f"sqlite+aiosqlite:///{path}")

    yield opened

    await opened.close()


@pytest.fixture
def database(on_sqlite: Database) -> Database:
    """A fresh database, on SQLite where a test does not say otherwise."""
    return on_sqlite


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server: the one named by `VISIT_TEST_POSTGRES_URL`, or one started for these tests."""
    given = os.environ.get("VISIT_TEST_POSTGRES_URL")
    if given:
        yield given.rpartition("/")[0]
        return
    if reason := ThrowawayPostgres.why_not():
        pytest.skip(reason)
    server = ThrowawayPostgres("-c fsync=off -c max_connections=200")
    server.open()
    try:
        yield server.url
    finally:
        server.close()


def _on_server(postgres_server: str, statement: str) -> None:
    """Run a statement that no transaction may hold, beside the tests' own loop or without one."""

    async def run() -> None:
        engine = create_async_engine(f"{postgres_server}/postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(run())).result()


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str) -> Callable[[str], str]:
    """Makes a database on PostgreSQL as a copy of the one of that name, and says its address; `template1` is an empty one."""

    def made(template: str) -> str:
        name = f"visits_{os.urandom(6).hex()}"
        _on_server(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"{postgres_server}/{name}"

    return made


@pytest.fixture
def empty_postgres(new_postgres: Callable[[str], str]) -> str:
    """The address of a database on PostgreSQL without anything in it."""
    return new_postgres("template1")


@pytest.fixture(scope="session")
def migrated_postgres(new_postgres: Callable[[str], str]) -> str:
    """The name of a database on PostgreSQL with the newest schema, to be copied."""
    address = new_postgres("template1")
    migrations.upgrade(address)
    return address.rpartition("/")[2]


@pytest.fixture
async def on_postgres(new_postgres: Callable[[str], str], migrated_postgres: str) -> AsyncIterator[Database]:
    """A fresh database on PostgreSQL with the newest schema, closed at the end of the test."""
    opened = Database(await asyncio.to_thread(new_postgres, migrated_postgres))

    yield opened

    await opened.close()
