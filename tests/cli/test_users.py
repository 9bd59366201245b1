"""`visit-engine user` adds, changes and revokes accounts, at a terminal or from a program."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from unittest import mock

import pytest
from pwdlib import PasswordHash
from sqlalchemy import Connection, insert, select, text

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import accounts, doctors, identifiers
from tests.support.passwords import WEAK_HASH
from tests.support.up import ON_BOTH, PROGRAM, UpEnvironment

pytestmark = ON_BOTH

ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def run_at_terminal(up_environment: UpEnvironment, password: bytes, *arguments: str) -> bytes:
    """Run the command at a terminal, type the password at each question, and return the terminal's output."""
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, PROGRAM, *arguments],
        env=up_environment.environment(),
        cwd=up_environment.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        output = b""
        for question in (b"Password: ", b"Once more: "):
            while not output.endswith(question):
                character = terminal.stdout.read(1)
                assert character, output
                output += character
            terminal.stdin.write(password + b"\n")
            terminal.stdin.flush()
        return output + terminal.stdout.read()


async def run_here(up_environment: UpEnvironment, *arguments: str, stdin: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a thread of this process, because it runs an event loop. It makes weak hashes."""
    with mock.patch.object(PasswordHash, "recommended", return_value=WEAK_HASH):
        return await asyncio.to_thread(up_environment.run_here, *arguments, stdin=stdin)


@pytest.fixture
async def database(request: pytest.FixtureRequest, up_environment: UpEnvironment) -> AsyncIterator[Database]:
    """A database with Dr. Smith as its only record. The tested program uses the same database."""
    if up_environment.postgres:
        new_postgres, template = [request.getfixturevalue(name) for name in ("new_postgres", "migrated_postgres")]
        up_environment.postgres = await asyncio.to_thread(new_postgres, template)
    else:
        up_environment.data.mkdir()
        shutil.copyfile(request.getfixturevalue("migrated_file"), up_environment.data / "visits.db")
    database = Database(up_environment.database)
    await database.write(lambda connection: connection.execute(insert(doctors).values(id=7, name="Dr. Smith")))

    yield database

    await database.close()


async def load_accounts(database: Database) -> list[tuple[str, str, int | None, bool]]:
    def read(connection: Connection) -> list[tuple[str, str, int | None, bool]]:
        rows = connection.execute(select(accounts).order_by(accounts.c.id))
        return [(row.username, row.role, row.doctor_id, row.revoked_at is not None) for row in rows]

    return await database.read(read)


async def accepts_password(database: Database, username: str, password: str) -> bool:
    query = select(accounts.c.password_hash).where(accounts.c.username == username)
    password_hash = await database.read(lambda connection: connection.scalars(query).one())
    return PasswordHash.recommended().verify(password, password_hash)


async def test_account_is_added_changed_and_revoked(database: Database, up_environment: UpEnvironment) -> None:
    added = up_environment.run(
        "user", "add", "smith", "doctor", "--doctor", "7", "--password-stdin", stdin="stethoscope\n"
    )
    assert (added.returncode, added.stdout, added.stderr) == (0, "added\n", "")
    assert await accepts_password(database, "smith", "stethoscope")

    changed = up_environment.run("user", "passwd", "smith", "--password-stdin", stdin="reflex hammer\n")
    assert (changed.returncode, changed.stderr) == (0, "")
    assert await accepts_password(database, "smith", "reflex hammer")

    revoked = up_environment.run("user", "revoke", "smith")
    assert (revoked.returncode, revoked.stderr) == (0, "")
    assert await load_accounts(database) == [("smith", "doctor", 7, True)]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("add", "ann", "doctor"), "--doctor: needed for role doctor, not allowed for other roles"),
        (("add", "ann", "reception", "--doctor", "7"), "--doctor: needed for role doctor, not allowed for other roles"),
        (("add", "ann", "doctor", "--doctor", "8"), "--doctor: there is no such doctor"),
        (("add", " ann", "reception"), "NAME: must be 1 to 200 printable characters without a space at either end"),
        (
            ("add", "ann", "reception", "--name", "Ann "),
            "--name: must be 1 to 200 printable characters without a space at either end",
        ),
        (("passwd", "unknown"), "NAME: there is no account with this name"),
        (("revoke", "unknown"), "NAME: there is no account with this name"),
        (("restore", "unknown"), "NAME: there is no account with this name"),
        (("rename", "unknown", "Ann"), "NAME: there is no account with this name"),
        (
            ("rename", "unknown", "An\tn"),
            "SHOWN_NAME: must be 1 to 200 printable characters without a space at either end",
        ),
        (("role", "unknown", "admin"), "NAME: there is no account with this name"),
        (("role", "unknown", "doctor"), "--doctor: needed for role doctor, not allowed for other roles"),
        (("role", "unknown", "doctor", "--doctor", "urn:x|1"), "--doctor: there is no doctor urn:x|1"),
    ],
)
async def test_invalid_account_is_refused_in_one_line(
    database: Database, up_environment: UpEnvironment, arguments: tuple[str, ...], line: str
) -> None:
    options = ("--password-stdin",) if arguments[0] in ("add", "passwd") else ()

    result = await run_here(up_environment, "user", *arguments, *options, stdin="stethoscope\n")

    assert result.returncode in (1, 2)
    assert result.stderr == f"{line}\n"
    assert await load_accounts(database) == []


async def test_refuses_short_password_and_used_name(database: Database, up_environment: UpEnvironment) -> None:
    short = await run_here(up_environment, "user", "add", "ann", "reception", "--password-stdin", stdin="1234567\n")
    assert short.stderr == "the password needs at least 8 characters\n"
    await run_here(up_environment, "user", "add", "ann", "reception", "--password-stdin", stdin="12345678\n")

    second = await run_here(up_environment, "user", "add", "ann", "supervisor", "--password-stdin", stdin="12345678\n")

    assert (second.returncode, second.stderr) == (1, "NAME: an account with this name exists already\n")
    assert await load_accounts(database) == [("ann", "reception", None, False)]


async def test_case_of_name_does_not_count(database: Database, up_environment: UpEnvironment) -> None:
    await run_here(up_environment, "user", "add", "Ann", "reception", "--password-stdin", stdin="12345678\n")

    second = await run_here(up_environment, "user", "add", "ANN", "supervisor", "--password-stdin", stdin="12345678\n")
    changed = await run_here(up_environment, "user", "passwd", "ann", "--password-stdin", stdin="reflex hammer\n")

    assert (second.returncode, second.stderr) == (1, "NAME: an account with this name exists already\n")
    assert (changed.returncode, changed.stderr) == (0, "")
    assert await load_accounts(database) == [("Ann", "reception", None, False)]
    assert await accepts_password(database, "Ann", "reflex hammer")


async def test_terminal_asks_twice_and_hides_password(database: Database, up_environment: UpEnvironment) -> None:
    output = run_at_terminal(up_environment, b"stethoscope", "user", "add", "ann", "reception")

    assert b"added" in output
    assert b"stethoscope" not in output
    assert await accepts_password(database, "ann", "stethoscope")


def test_password_needs_stdin_without_terminal(up_environment: UpEnvironment) -> None:
    result = up_environment.run_here("user", "add", "ann", "reception")

    assert (result.returncode, result.stderr) == (
        2,
        "there is no terminal to ask for a password: use --password-stdin\n",
    )


def test_missing_schema_adds_no_account(up_environment: UpEnvironment) -> None:
    result = up_environment.run_here("user", "add", "ann", "reception", "--password-stdin", stdin="stethoscope\n")

    assert result.stderr == "VISIT_DATABASE_URL: the database has no schema yet: run `visit-engine migrate`\n"


async def test_failing_database_is_reported_in_one_line(database: Database, up_environment: UpEnvironment) -> None:
    await database.write(lambda connection: connection.execute(text("ALTER TABLE accounts RENAME TO former_accounts")))
    await database.close()

    result = await run_here(up_environment, "user", "passwd", "ann", "--password-stdin", stdin="stethoscope\n")

    error = "ProgrammingError" if up_environment.postgres else "OperationalError"
    assert result.returncode == 1
    assert result.stderr == f"VISIT_DATABASE_URL: the database cannot be written ({error})\n"


async def test_doctor_is_named_by_identifier(up_environment: UpEnvironment, database: Database) -> None:
    row = {"kind": "doctor", "system": "urn:hospital:staff", "value": "D|7", "record_id": 7, "position": 0}
    await database.write(lambda connection: connection.execute(insert(identifiers).values(row)))

    added = await run_here(
        up_environment,
        *("user", "add", "smith", "doctor", "--doctor", "urn:hospital:staff|D|7", "--password-stdin"),
        stdin="a long password\n",
    )
    unknown = await run_here(
        up_environment,
        *("user", "add", "weber", "doctor", "--doctor", "urn:hospital:staff|D8", "--password-stdin"),
        stdin="a long password\n",
    )

    assert added.returncode == 0
    assert (unknown.returncode, unknown.stderr) == (1, "--doctor: there is no doctor urn:hospital:staff|D8\n")
    assert await load_accounts(database) == [("smith", "doctor", 7, False)]


async def test_account_is_listed_renamed_and_restored(database: Database, up_environment: UpEnvironment) -> None:
    async def run(*arguments: str, stdin: str = "") -> tuple[int, str]:
        result = await run_here(up_environment, "user", *arguments, stdin=stdin)
        return result.returncode, result.stdout or result.stderr

    new = ("add", "smith", "reception", "--name", "A. Smith", "--password-stdin")
    assert await run(*new, stdin="stethoscope\n") == (0, "added\n")
    assert await run("rename", "SMITH", "Dr. Ann Smith") == (0, "renamed\n")
    assert await run("role", "smith", "doctor", "--doctor", "7") == (0, "role changed\n")
    assert await run("list") == (0, "smith\tdoctor\t7\tactive\tDr. Ann Smith\n")

    assert await run("revoke", "smith") == (0, "revoked\n")
    assert await run("role", "smith", "supervisor") == (0, "role changed\n")
    assert await run("list") == (0, "smith\tsupervisor\t-\trevoked\tDr. Ann Smith\n")
    assert await run("restore", "smith") == (0, "restored\n")
    assert await load_accounts(database) == [("smith", "supervisor", None, False)]
    assert await accepts_password(database, "smith", "stethoscope")


async def test_last_admin_stays(database: Database, up_environment: UpEnvironment) -> None:
    line = "NAME: this is the last admin: add or restore another admin first\n"
    await run_here(up_environment, "user", "add", "ann", "admin", "--password-stdin", stdin="12345678\n")

    revoked = await run_here(up_environment, "user", "revoke", "ann", stdin="")
    demoted = await run_here(up_environment, "user", "role", "ann", "supervisor", stdin="")

    assert [(result.returncode, result.stderr) for result in (revoked, demoted)] == [(1, line), (1, line)]
    await run_here(up_environment, "user", "add", "ben", "admin", "--password-stdin", stdin="12345678\n")
    assert (await run_here(up_environment, "user", "revoke", "ann", stdin="")).returncode == 0
    assert await load_accounts(database) == [("ann", "admin", None, True), ("ben", "admin", None, False)]
