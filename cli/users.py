"""`visit-engine user`: staff accounts from the terminal; it must not know how a session is kept."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Concatenate, ParamSpec, TypeVar

import typer
from pwdlib import PasswordHash
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load
from patient_visit_engine.storage import accounts, migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import Role

P = ParamSpec("P")
T = TypeVar("T")

SHORTEST_PASSWORD = 8
LONGEST_NAME = 200

Name = Annotated[str, typer.Argument(help="The name to sign in with.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]

users = typer.Typer(
    name="user", help="Staff accounts: add, change the password, revoke.", no_args_is_help=True, add_completion=False
)


@users.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Argument(help="What this person may do.")],
    doctor: Annotated[int | None, typer.Option(help="The doctor whose account it is; for role doctor only.")] = None,
    password_stdin: FromStdin = False,
) -> None:
    """Open an account. The password is asked for twice, or read from stdin."""
    if (role is Role.doctor) != (doctor is not None):
        raise OperatorError("--doctor goes with role doctor, and only with it", 2)
    if not 1 <= len(name) <= LONGEST_NAME or name != name.strip() or not name.isprintable():
        raise OperatorError(f"NAME: 1 to {LONGEST_NAME} printable characters, no space at either end", 2)
    hashed = _hash(_password(password_stdin))
    try:
        added = _written(accounts.add_account, name, hashed, name, role, doctor)
    except IntegrityError:
        raise OperatorError("--doctor: no such doctor") from None
    if not added:
        raise OperatorError("NAME: there is an account of that name")
    typer.echo("added")


@users.command()
def passwd(name: Name, password_stdin: FromStdin = False) -> None:
    """Set a new password; the account's open sessions end."""
    if not _written(accounts.change_password, name, _hash(_password(password_stdin))):
        raise OperatorError("NAME: there is no such account")
    typer.echo("password changed")


@users.command()
def revoke(name: Name) -> None:
    """Close the account for good, and its open sessions at once."""
    if not _written(accounts.revoke, name, to_millisecond(datetime.now(UTC))):
        raise OperatorError("NAME: there is no such account")
    typer.echo("revoked")


def _written(unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    url = load().database

    async def whole() -> T:
        database = Database(url)
        try:
            return await database.write(unit, *args, **kwargs)
        finally:
            await database.close()

    try:
        migrations.check(url)
    except migrations.UnknownSchemaError as unknown:
        raise OperatorError(f"VISIT_DATABASE_URL: {unknown}") from None
    return asyncio.run(whole())


def _hash(password: str) -> str:
    return PasswordHash.recommended().hash(password)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more"))
    else:
        raise OperatorError("no terminal to ask for a password: use --password-stdin", 2)
    if len(password) < SHORTEST_PASSWORD:
        raise OperatorError(f"the password needs at least {SHORTEST_PASSWORD} characters", 2)
    return password
