"""Units of work on SQLite, and which errors are transient."""

import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from patient_visit_engine.storage import database as module
from patient_visit_engine.storage.database import Database, is_unavailable


@pytest.fixture
def locked_by_other(database: Database) -> Iterator[None]:
    """Another connection holds the write lock during the test."""
    assert database.url.database is not None
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


async def test_wrong_statement_is_not_transient(database: Database) -> None:
    with pytest.raises(OperationalError) as raised:
        await database.read(lambda connection: connection.execute(text("SELECT * FROM nowhere")))

    assert not is_unavailable(raised.value)


@pytest.mark.parametrize("unknown", ["login", "database"])
async def test_unknown_login_or_database_is_transient(on_postgres: Database, unknown: str) -> None:
    url = on_postgres.url.set(username="nobody") if unknown == "login" else on_postgres.url.set(database="nowhere")
    unknown_to_server = Database(url.render_as_string(hide_password=False))

    with pytest.raises(Exception, match="does not exist") as raised:
        await unknown_to_server.read(lambda connection: connection.scalar(text("SELECT 1")))
    await unknown_to_server.close()

    assert is_unavailable(raised.value)


@pytest.mark.usefixtures("locked_by_other")
async def test_lock_of_other_program_is_transient(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
    short_timeout = Database(database.url.render_as_string())

    with pytest.raises(OperationalError) as raised:
        await short_timeout.write(lambda connection: connection.execute(text("UPDATE log_head SET seq = 1")))
    await short_timeout.close()

    assert is_unavailable(raised.value)


@pytest.mark.usefixtures("locked_by_other")
async def test_inline_does_not_wait_for_writer(database: Database) -> None:
    seq = await database.read_inline(lambda connection: connection.scalar(text("SELECT seq FROM log_head")))

    assert seq == 0


async def test_inline_sees_latest_commit(database: Database) -> None:
    def head(connection: Connection) -> int:
        return int(connection.scalar(text("SELECT seq FROM log_head")))

    before = await database.read_inline(head)
    await database.write(lambda connection: connection.execute(text("UPDATE log_head SET seq = 7")))

    assert (before, await database.read_inline(head)) == (0, 7)


async def test_inline_read_works_after_failed_one(database: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.read_inline(fail)

    assert await database.read_inline(lambda connection: connection.scalar(text("SELECT 1"))) == 1
