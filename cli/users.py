"""`visit-engine user`: adds and changes staff accounts from the terminal."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Concatenate, ParamSpec, TypeVar

import typer
from pwdlib import PasswordHash
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.cli.checked_database import open_checked
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load_settings
from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind, find_record
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.identifier_texts import split_identifier
from patient_visit_engine.wire.shapes import MAX_ID

P = ParamSpec("P")
T = TypeVar("T")

MIN_PASSWORD_LENGTH = 8
MAX_NAME_LENGTH = 200

Name = Annotated[str, typer.Argument(help="The name to sign in with.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]

users = typer.Typer(
    name="user", help="Staff accounts: add, change the password, revoke.", no_args_is_help=True, add_completion=False
)


@users.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Argument(help="What this person may do.")],
    doctor: Annotated[
        str | None, typer.Option(help="The doctor's number, or an identifier as SYSTEM|VALUE; for role doctor only.")
    ] = None,
    password_stdin: FromStdin = False,
) -> None:
    """Open an account. The command asks for the password twice, or reads it from stdin."""
    if (role is Role.doctor) != (doctor is not None):
        raise OperatorError("--doctor: needed for role doctor, not allowed for other roles", 2)
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise OperatorError(
            f"NAME: must be 1 to {MAX_NAME_LENGTH} printable characters without a space at either end", 2
        )
    if not _write(_add_account, name, _hash_password(_read_password(password_stdin)), role, doctor):
        raise OperatorError("NAME: an account with this name exists already")
    typer.echo("added")


@users.command()
def passwd(name: Name, password_stdin: FromStdin = False) -> None:
    """Set a new password. The account's open sessions end."""
    if not _write(accounts.change_password, name, _hash_password(_read_password(password_stdin))):
        raise OperatorError("NAME: there is no account with this name")
    typer.echo("password changed")


@users.command()
def revoke(name: Name) -> None:
    """Close the account permanently, and end its open sessions immediately."""
    if not _write(accounts.revoke_account, name, to_millisecond(datetime.now(UTC))):
        raise OperatorError("NAME: there is no account with this name")
    typer.echo("revoked")


def _add_account(connection: Connection, name: str, password_hash: str, role: Role, doctor: str | None) -> bool:
    try:
        doctor_id = None if doctor is None else _find_doctor(connection, doctor)
        return accounts.add_account(connection, name, password_hash, name, role, doctor_id)
    except IntegrityError:
        raise OperatorError(f"--doctor: there is no doctor {doctor}") from None


def _find_doctor(connection: Connection, doctor: str) -> int:
    if doctor.isascii() and doctor.isdigit() and 1 <= int(doctor[:20]) <= MAX_ID:
        return int(doctor)
    texts = split_identifier(doctor)
    if texts is None:
        raise OperatorError(
            "--doctor: must be the doctor's number, or an identifier such as 'urn:hospital:staff|D7'", 2
        )
    doctor_id = find_record(connection, RecordKind.doctor, Identifier(*texts))
    if doctor_id is None:
        raise OperatorError(f"--doctor: there is no doctor {doctor}")
    return doctor_id


def _write(unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    async def open_and_write() -> T:
        async with open_checked(load_settings().effective_database_url, "written") as database:
            return await database.write(unit, *args, **kwargs)

    return asyncio.run(open_and_write())


def _hash_password(password: str) -> str:
    return PasswordHash.recommended().hash(password)


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more"))
    else:
        raise OperatorError("there is no terminal to ask for a password: use --password-stdin", 2)
    if len(password) < MIN_PASSWORD_LENGTH:
        raise OperatorError(f"the password needs at least {MIN_PASSWORD_LENGTH} characters", 2)
    return password
