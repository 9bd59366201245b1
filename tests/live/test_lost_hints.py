"""Hints that PostgreSQL gives and nobody gets: the session that listens is killed, or stands behind a pooler that drops them."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from patient_visit_engine.live.running import running
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_changes import PostgresChanges
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.api_processes import ApiProcesses, eventually_true
from tests.support.processes import eventually, free_port
from tests.support.stream_server import an_event, tell, until

LISTENING = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"


async def listeners(database: Database) -> set[int]:
    """The server's processes that listen on this database."""
    return await database.read(lambda c: set(c.scalars(text(f"SELECT pid {LISTENING}"))))


async def test_a_session_that_listens_is_killed_and_events_go_on_coming(on_postgres: Database, tmp_path: Path) -> None:
    hospital = ApiProcesses(on_postgres, tmp_path)
    try:
        api = await hospital.start()
        client = await hospital.live(api, "amrani", 7)
        for number in range(1, 6):
            before = await listeners(on_postgres)
            assert len(before) == 1
            await on_postgres.write(lambda c: c.scalar(text(f"SELECT count(pg_terminate_backend(pid)) {LISTENING}")))
            await tell(on_postgres, an_event(number))
            await client.read_events(number)

            async def listens_again(before: set[int] = before) -> bool:
                now = await listeners(on_postgres)
                return len(now) == 1 and now.isdisjoint(before)

            await eventually_true(listens_again, "a session that listens again")

        assert client.numbers == [1, 2, 3, 4, 5]
        assert await api.count("visit_stream_delay_seconds_count") == 5
        assert await api.count("visit_stream_failures_total") == 0
    finally:
        await hospital.close()


@pytest.fixture
def behind_a_pooler(on_postgres: Database) -> Iterator[URL]:
    """The database behind a pgbouncer that gives its sessions to one transaction after the other."""
    program = shutil.which("pgbouncer")
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if program is None or owner not in {one.pw_name for one in pwd.getpwall()}:
        pytest.skip("pgbouncer: not on the PATH, or nobody to run it as")
    url, port = on_postgres.url, free_port()
    behind = f"host={url.host} port={url.port or 5432} user={url.username}"
    behind += "" if url.password is None else f" password={url.password}"
    with tempfile.TemporaryDirectory(prefix="visit-pooler-") as home:
        settings = Path(home, "pgbouncer.ini")
        settings.write_text(
            f"[databases]\n* = {behind}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 1\n"
        )
        for path in (Path(home), settings):
            shutil.chown(path, owner)
        log = Path(home, "log")
        with log.open("wb") as to:
            # It refuses to run as root, as the server does.
            process = subprocess.Popen([program, str(settings)], user=owner, cwd=home, stdout=to, stderr=to)
        try:
            eventually(lambda: accepts(process, log, port), "the pooler")
            yield url.set(host="127.0.0.1", port=port)
        finally:
            process.kill()
            process.wait()


def accepts(process: subprocess.Popen[bytes], log: Path, port: int) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_behind_a_pooler_that_drops_every_hint_events_come_unasked_and_are_counted(
    on_postgres: Database, behind_a_pooler: URL
) -> None:
    changes = PostgresChanges(behind_a_pooler)
    async with running(LogReader(on_postgres), changes) as hub:
        await until(lambda: hub.started, "the first reading")
        # It does listen; only does nobody carry to it what it listens for.
        await eventually_true(lambda: listeners(on_postgres), "the session that listens")
        for number in range(1, 4):
            await tell(on_postgres, an_event(number))
            await until(lambda number=number: hub.window.position == number, "an event that nobody was told of")
    changes.close()

    assert hub.counters.found_unasked >= 2
    assert sum(hub.counters.delays.classes) == 3
    assert hub.counters.failures == hub.counters.holds == 0
