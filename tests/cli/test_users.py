"""`visit-engine user`: accounts opened, changed and closed at a terminal or by a program."""

import subprocess
import sys

import pytest
from pwdlib import PasswordHash
from sqlalchemy import Connection, insert, select

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import accounts, doctors
from tests.support.up import ON_BOTH, PROGRAM, UpEnvironment

pytestmark = ON_BOTH

ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def at_a_terminal(surroundings: UpEnvironment, password: bytes, *arguments: str) -> bytes:
    """What somebody sees who types the password each time it is asked for."""
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, PROGRAM, *arguments],
        env=surroundings.environment(),
        cwd=surroundings.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        shown = b""
        for question in (b"Password: ", b"Once more: "):
            while not shown.endswith(question):
                piece = terminal.stdout.read(1)
                assert piece, shown
                shown += piece
            terminal.stdin.write(password + b"\n")
            terminal.stdin.flush()
        return shown + terminal.stdout.read()


@pytest.fixture
async def hospital(surroundings: UpEnvironment) -> Database:
    """An empty database with Dr. Smith in it; the program that is tested uses the same one."""
    migrations.upgrade(surroundings.database)
    database = Database(surroundings.database)
    await database.write(lambda connection: connection.execute(insert(doctors).values(id=7, name="Dr. Smith")))
    return database


async def stored(database: Database) -> list[tuple[str, str, int | None, bool]]:
    def read(connection: Connection) -> list[tuple[str, str, int | None, bool]]:
        rows = connection.execute(select(accounts).order_by(accounts.c.id))
        return [(row.username, row.role, row.doctor_id, row.revoked_at is not None) for row in rows]

    return await database.read(read)


async def opens(database: Database, username: str, password: str) -> bool:
    query = select(accounts.c.password_hash).where(accounts.c.username == username)
    kept = await database.read(lambda connection: connection.scalars(query).one())
    return PasswordHash.recommended().verify(password, kept)


async def test_an_account_is_opened_given_a_new_password_and_revoked(
    hospital: Database, surroundings: UpEnvironment
) -> None:
    added = surroundings.run(
        "user", "add", "smith", "doctor", "--doctor", "7", "--password-stdin", stdin="stethoscope\n"
    )
    assert (added.returncode, added.stdout, added.stderr) == (0, "added\n", "")
    assert await opens(hospital, "smith", "stethoscope")

    changed = surroundings.run("user", "passwd", "smith", "--password-stdin", stdin="reflex hammer\n")
    assert (changed.returncode, changed.stderr) == (0, "")
    assert await opens(hospital, "smith", "reflex hammer")

    revoked = surroundings.run("user", "revoke", "smith")
    assert (revoked.returncode, revoked.stderr) == (0, "")
    assert await stored(hospital) == [("smith", "doctor", 7, True)]
    await hospital.close()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("add", "ann", "doctor"), "--doctor goes with role doctor, and only with it"),
        (("add", "ann", "reception", "--doctor", "7"), "--doctor goes with role doctor, and only with it"),
        (("add", "ann", "doctor", "--doctor", "8"), "--doctor: no such doctor"),
        (("add", " ann", "reception"), "NAME: 1 to 200 printable characters, no space at either end"),
        (("passwd", "nobody"), "NAME: there is no such account"),
        (("revoke", "nobody"), "NAME: there is no such account"),
    ],
)
async def test_what_cannot_be_is_one_line_and_nothing_is_written(
    hospital: Database, surroundings: UpEnvironment, arguments: tuple[str, ...], line: str
) -> None:
    by_stdin = () if arguments[0] == "revoke" else ("--password-stdin",)

    refused = surroundings.run("user", *arguments, *by_stdin, stdin="stethoscope\n")

    assert refused.returncode in (1, 2)
    assert refused.stderr == f"{line}\n"
    assert await stored(hospital) == []
    await hospital.close()


async def test_a_name_is_given_once_and_a_password_is_not_too_short(
    hospital: Database, surroundings: UpEnvironment
) -> None:
    short = surroundings.run("user", "add", "ann", "reception", "--password-stdin", stdin="1234567\n")
    assert short.stderr == "the password needs at least 8 characters\n"
    surroundings.run("user", "add", "ann", "reception", "--password-stdin", stdin="12345678\n")

    again = surroundings.run("user", "add", "ann", "supervisor", "--password-stdin", stdin="12345678\n")

    assert (again.returncode, again.stderr) == (1, "NAME: there is an account of that name\n")
    assert await stored(hospital) == [("ann", "reception", None, False)]
    await hospital.close()


async def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(
    hospital: Database, surroundings: UpEnvironment
) -> None:
    shown = at_a_terminal(surroundings, b"stethoscope", "user", "add", "ann", "reception")

    assert b"added" in shown
    assert b"stethoscope" not in shown
    assert await opens(hospital, "ann", "stethoscope")
    await hospital.close()


def test_without_a_terminal_a_password_must_come_from_stdin(surroundings: UpEnvironment) -> None:
    refused = surroundings.run("user", "add", "ann", "reception")

    assert (refused.returncode, refused.stderr) == (2, "no terminal to ask for a password: use --password-stdin\n")


def test_without_a_schema_nothing_is_opened(surroundings: UpEnvironment) -> None:
    refused = surroundings.run("user", "add", "ann", "reception", "--password-stdin", stdin="stethoscope\n")

    assert refused.stderr == "VISIT_DATABASE_URL: the database has no schema yet: run `visit-engine migrate`\n"
