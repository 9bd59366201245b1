"""Shared fixtures: a browser, and a fresh database on SQLite or PostgreSQL."""

import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from tests.support.chromium import CHROMIUM_MISSING, find_chromium, launch_chromium
from tests.support.needed_tests import NeededTests, must_run
from tests.support.postgres import MaintenanceConnection, ThrowawayPostgres
from tests.support.shared_statements import share_compiled_statements

#: Objects that are created before Python looks for garbage: the tests create many, and leave little garbage.
COLLECT_AFTER = 20_000


def pytest_configure(config: pytest.Config) -> None:
    share_compiled_statements()
    if must_run():
        config.pluginmanager.register(NeededTests())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Importing the tests leaves no garbage, so Python does not look for it. Looking took a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end. Looking for garbage among them took a sixth of the processor's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The Chromium that is installed on this machine."""
    if find_chromium() is None:
        pytest.skip(CHROMIUM_MISSING)
    async with launch_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema. Fixtures copy it, because migrating takes longer than many tests."""
    path = tmp_path_factory.mktemp("schema") / "visits.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
async def on_sqlite(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Database]:
    """A fresh SQLite database with the newest schema."""
    path = tmp_path / "visits.db"
    await asyncio.to_thread(shutil.copyfile, migrated_file, path)
    fresh = Database(f"sqlite+aiosqlite:///{path}")

    yield fresh

    await fresh.close()


@pytest.fixture
def database(on_sqlite: Database) -> Database:
    """A fresh database with the newest schema, on SQLite. Tests that need both kinds override it: `database_on`."""
    return on_sqlite


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server: the server of `VISIT_TEST_POSTGRES_URL`, or one that runs only for these tests."""
    database_url = os.environ.get("VISIT_TEST_POSTGRES_URL")
    if database_url:
        yield database_url.rpartition("/")[0]
        return
    if reason := ThrowawayPostgres.missing_requirement():
        pytest.skip(reason)
    # Each test has a database. With hundreds of them, autovacuum would start a process every few moments.
    server = ThrowawayPostgres("-c fsync=off -c max_connections=200 -c autovacuum=off", in_memory=True)
    server.open()
    try:
        yield server.url
    finally:
        server.close()


@pytest.fixture(scope="session")
def maintenance(postgres_server: str) -> Iterator[MaintenanceConnection]:
    """Runs statements on the PostgreSQL server, for example to create a database."""
    connection = MaintenanceConnection(postgres_server)

    yield connection

    connection.close()


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str, maintenance: MaintenanceConnection) -> Callable[[str], str]:
    """A function that copies the PostgreSQL database of that name and returns the copy's URL. `template1` is empty."""

    def copy(template: str) -> str:
        name = f"visits_{os.urandom(6).hex()}"
        maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return f"{postgres_server}/{name}"

    return copy


@pytest.fixture(scope="session")
def drop_postgres(maintenance: MaintenanceConnection) -> Callable[[str], None]:
    """A function that drops the PostgreSQL database with that URL, because hundreds of them would fill the memory."""
    return lambda url: maintenance.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


@pytest.fixture
def empty_postgres(new_postgres: Callable[[str], str], drop_postgres: Callable[[str], None]) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    url = new_postgres("template1")

    yield url

    drop_postgres(url)


@pytest.fixture(scope="session")
def migrated_postgres(new_postgres: Callable[[str], str]) -> str:
    """The name of a PostgreSQL database with the newest schema, for `new_postgres`."""
    url = new_postgres("template1")
    migrations.upgrade(url)
    return url.rpartition("/")[2]


@pytest.fixture
async def on_postgres(
    new_postgres: Callable[[str], str], drop_postgres: Callable[[str], None], migrated_postgres: str
) -> AsyncIterator[Database]:
    """A fresh PostgreSQL database with the newest schema."""
    url = await asyncio.to_thread(new_postgres, migrated_postgres)
    fresh = Database(url)

    yield fresh

    await fresh.close()
    await asyncio.to_thread(drop_postgres, url)
