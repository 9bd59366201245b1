"""How a unit of work runs on SQLite, and what of its errors passes."""

import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from patient_visit_engine.storage import database as module
from patient_visit_engine.storage.database import Database, is_unavailable


@pytest.fixture
def locked(database: Database) -> Iterator[None]:
    """Somebody else writes, for as long as the test lasts."""
    assert database.url.database is not None
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


async def test_a_wrong_statement_is_not_taken_for_a_database_that_is_away(database: Database) -> None:
    with pytest.raises(OperationalError) as wrong:
        await database.read(lambda connection: connection.execute(text("SELECT * FROM nowhere")))

    assert not is_unavailable(wrong.value)


@pytest.mark.parametrize("unknown", [{"username": "nobody"}, {"database": "nowhere"}])
async def test_a_server_that_does_not_know_us_yet_is_away(on_postgres: Database, unknown: dict[str, str]) -> None:
    stranger = Database(on_postgres.url.set(**unknown).render_as_string(hide_password=False))

    with pytest.raises(Exception, match="does not exist") as refused:
        await stranger.read(lambda connection: connection.scalar(text("SELECT 1")))
    await stranger.close()

    assert is_unavailable(refused.value)


@pytest.mark.usefixtures("locked")
async def test_a_database_that_another_program_locks_is_away_for_writers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
    impatient = Database(database.url.render_as_string())

    with pytest.raises(OperationalError) as busy:
        await impatient.write(lambda connection: connection.execute(text("UPDATE log_head SET seq = 1")))
    await impatient.close()

    assert is_unavailable(busy.value)


@pytest.mark.usefixtures("locked")
async def test_a_glance_waits_for_no_writer_and_sees_what_is_committed(database: Database) -> None:
    seen = await database.glance(lambda connection: connection.scalar(text("SELECT seq FROM log_head")))

    assert seen == 0


async def test_each_glance_sees_what_was_committed_before_it(database: Database) -> None:
    def head(connection: Connection) -> int:
        return int(connection.scalar(text("SELECT seq FROM log_head")))

    before = await database.glance(head)
    await database.write(lambda connection: connection.execute(text("UPDATE log_head SET seq = 7")))

    assert (before, await database.glance(head)) == (0, 7)


async def test_a_glance_that_fails_leaves_the_next_one_whole(database: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.glance(fail)

    assert await database.glance(lambda connection: connection.scalar(text("SELECT 1"))) == 1
