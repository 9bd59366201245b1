"""Lost PostgreSQL hints: the listening session is killed, or a connection pooler drops the notifications."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.hint_sender import HintSender
from patient_visit_engine.storage.log_hints import PostgresHints
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.api_processes import ApiProcesses, WriterProcess
from tests.support.ports import free_port
from tests.support.stream_server import an_event, append_events
from tests.support.waiting import wait_until, wait_until_async

# The last statement of a session that listens: the LISTEN, or the test of the session that follows every 15 seconds.
LISTENING = """
    FROM pg_stat_activity WHERE (query LIKE 'LISTEN%' OR query = 'SELECT 1') AND datname = current_database()
"""


async def listeners(database: Database) -> set[int]:
    """Return the PostgreSQL processes that listen on this database."""
    return await database.read(lambda c: set(c.scalars(text(f"SELECT pid {LISTENING}"))))


async def is_listening(database: Database) -> bool:
    return len(await listeners(database)) == 1


async def test_events_come_after_listener_was_killed(on_postgres: Database, tmp_path: Path) -> None:
    api_processes = ApiProcesses(on_postgres, tmp_path)
    try:
        api = await api_processes.start()
        client = await api_processes.open_live(api, "amrani", 7)
        # The process serves streams before it listens.
        await wait_until_async(lambda: is_listening(on_postgres), "a listening session")
        for number in range(1, 6):
            before = await listeners(on_postgres)
            await on_postgres.write(lambda c: c.scalar(text(f"SELECT count(pg_terminate_backend(pid)) {LISTENING}")))
            await append_events(on_postgres, an_event(number))
            await client.read_events(number)

            async def listens_again(before: set[int] = before) -> bool:
                after = await listeners(on_postgres)
                return len(after) == 1 and after.isdisjoint(before)

            await wait_until_async(listens_again, "a new listening session")

        assert client.numbers == [1, 2, 3, 4, 5]
        assert await api.count("visit_stream_delay_seconds_count") == 5
        assert await api.count("visit_stream_failures_total") == 0
    finally:
        await api_processes.close()


@pytest.fixture
def pooler(on_postgres: Database) -> Iterator[URL]:
    """The address of a pgbouncer in front of the database. It assigns a session for each transaction only."""
    program = shutil.which("pgbouncer")
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if program is None or owner not in {user.pw_name for user in pwd.getpwall()}:
        pytest.skip("pgbouncer: not on the PATH, or no user to run it")
    url, port = on_postgres.url, free_port()
    server = f"host={url.host} port={url.port or 5432} user={url.username}"
    server += "" if url.password is None else f" password={url.password}"
    with tempfile.TemporaryDirectory(prefix="visit-pooler-") as home:
        settings = Path(home, "pgbouncer.ini")
        settings.write_text(
            f"[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 1\n"
        )
        for path in (Path(home), settings):
            shutil.chown(path, owner)
        log = Path(home, "log")
        with log.open("wb") as output:
            # pgbouncer refuses to run as root, as PostgreSQL does.
            process = subprocess.Popen([program, str(settings)], user=owner, cwd=home, stdout=output, stderr=output)
        try:
            wait_until(lambda: accepts(process, log, port), "the pooler")
            yield url.set(host="127.0.0.1", port=port)
        finally:
            process.kill()
            process.wait()


def accepts(process: subprocess.Popen[bytes], log: Path, port: int) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def has_reached(hub: Hub, position: int) -> bool:
    return hub.window.position == position


async def test_events_come_although_pooler_drops_hints(on_postgres: Database, pooler: URL) -> None:
    hints = PostgresHints(pooler)
    async with run_hub(LogReader(on_postgres), hints) as hub:
        await wait_until_async(lambda: hub.started, "the first read")
        # The session does listen, but the pooler forwards no notification.
        await wait_until_async(lambda: listeners(on_postgres), "the listening session")
        for number in range(1, 4):
            await append_events(on_postgres, an_event(number))
            await wait_until_async(partial(has_reached, hub, number), "an event without a hint")
    hints.close()

    assert hub.counters.found_unasked >= 2
    assert sum(hub.counters.delays.classes) == 3
    assert hub.counters.failures == hub.counters.holds == 0


async def test_event_comes_although_writer_died_before_hint(on_postgres: Database) -> None:
    hints = PostgresHints(on_postgres.url)
    writer = await WriterProcess.start(on_postgres)
    async with run_hub(LogReader(on_postgres), hints) as hub:
        await wait_until_async(lambda: hub.started, "the first read")
        await wait_until_async(lambda: listeners(on_postgres), "the listening session")

        await writer.write("die after commit", ("consultations", 1))
        await wait_until_async(partial(has_reached, hub, 1), "an event without a hint")
    hints.close()
    await writer.kill()

    assert hub.counters.found_unasked == 1


async def test_sends_hint_through_pooler(on_postgres: Database, pooler: URL) -> None:
    hints, sender = PostgresHints(on_postgres.url), HintSender(pooler)
    # The first hint reports that the session listens.
    assert await hints.wait_for_hint(5)
    assert not await hints.wait_for_hint(0.05)

    for _ in range(2):
        sender.send_soon()
        assert await hints.wait_for_hint(5)
    await sender.close()
    hints.close()
