"""Word of commits on PostgreSQL, where this machine has one."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from storage import migrations
from storage.database import Database
from storage.log_reader import NOTIFICATION, LogReader, PostgresChanges, changes_of
from tests.live.stream_rig import an_event, tell

PG_CTL = shutil.which("pg_ctl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL of its own, gone with the module."""
    if PG_CTL is None or (os.getuid() == 0 and "postgres" not in {one.pw_name for one in pwd.getpwall()}):
        pytest.skip("no PostgreSQL on this machine, or nobody to run it as")
    home = Path("/tmp") / f"visit-pg-{os.getpid()}"  # short: a socket's path has 107 bytes
    home.mkdir()
    # The server refuses to run as root.
    user = "postgres" if os.getuid() == 0 else None
    if user is not None:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(home / "data")

    def run(*arguments: str) -> None:
        subprocess.run([PG_CTL, "-D", data, *arguments], check=True, user=user, stdout=subprocess.DEVNULL, cwd=home)

    run("init", "-s", "-o", "-A trust -U visits --no-sync")
    run("start", "-w", "-s", "-l", str(home / "log"), "-o", f"-p {port} -k {home} -h 127.0.0.1 -c fsync=off")
    yield f"postgresql+asyncpg://visits@127.0.0.1:{port}/postgres"
    run("stop", "-m", "immediate", "-s")
    shutil.rmtree(home)


@pytest.fixture
async def hospital(server: str) -> AsyncIterator[Database]:
    opened = Database(server)
    await opened.write(lambda connection: connection.execute(text("DROP SCHEMA public CASCADE")))
    await opened.write(lambda connection: connection.execute(text("CREATE SCHEMA public")))
    await asyncio.to_thread(migrations.upgrade, server)
    yield opened
    await opened.close()


@pytest.fixture
async def changes(hospital: Database) -> AsyncIterator[PostgresChanges]:
    watcher = changes_of(hospital)
    assert isinstance(watcher, PostgresChanges)
    # The first call only says that something may have come before.
    assert await watcher.changed(5)
    yield watcher
    watcher.close()


async def notify(database: Database) -> None:
    await database.write(lambda connection: connection.execute(text(f"NOTIFY {NOTIFICATION}")))


async def test_a_notification_wakes_and_quiet_does_not(hospital: Database, changes: PostgresChanges) -> None:
    assert not await changes.changed(0.05)

    await notify(hospital)

    assert await changes.changed(5)
    assert not await changes.changed(0.05)


async def test_a_killed_session_is_opened_again_and_read_after(hospital: Database, changes: PostgresChanges) -> None:
    kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    assert await hospital.write(lambda connection: connection.scalar(text(kill))) == 1

    assert await changes.changed(5)
    # The loss and the opening are two reasons to read again, or one, when the loss was known before anybody asked.
    while await changes.changed(0.2):
        pass
    await notify(hospital)
    assert await changes.changed(5)


async def test_without_a_server_there_is_no_hint_and_no_hurry() -> None:
    watcher = changes_of(Database("postgresql+asyncpg://visits@127.0.0.1:1/postgres"))
    began = asyncio.get_running_loop().time()

    assert not await watcher.changed(0.2)

    assert 0.15 < asyncio.get_running_loop().time() - began < 5


async def test_the_log_is_read_on_postgresql_as_it_is_on_sqlite(hospital: Database) -> None:
    await tell(hospital, *(an_event(number, f"doctor.{number % 2 + 7}") for number in range(1, 21)))

    page = await LogReader(hospital).read_after(4, 5, {"doctor.7", "consultations"})

    assert [one.seq for one in page.entries] == [6, 8, 10, 12, 14]
    assert (page.reached, page.bounds.oldest, page.bounds.head) == (14, 1, 20)
