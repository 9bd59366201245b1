"""`visit-engine user`: adds and changes staff accounts from the terminal."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Concatenate, ParamSpec, TypeVar

import typer
from pwdlib import PasswordHash
from sqlalchemy import Connection

from patient_visit_engine.cli.checked_database import open_checked
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load_settings
from patient_visit_engine.storage import account_changes
from patient_visit_engine.storage.account_changes import MIN_PASSWORD_LENGTH, AccountChange, NewAccount
from patient_visit_engine.storage.account_list import list_accounts
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind, find_record
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.field_types import MAX_ID
from patient_visit_engine.wire.identifier_texts import split_identifier

P = ParamSpec("P")
T = TypeVar("T")

MAX_NAME_LENGTH = 200
#: The rule that a change breaks, and what to do.
REFUSALS: dict[type[account_changes.AccountChangeError], str] = {
    account_changes.UsernameTakenError: "NAME: an account with this name exists already",
    account_changes.LastAdminError: "NAME: this is the last admin: add or restore another admin first",
    account_changes.DoctorMismatchError: "--doctor: needed for role doctor, not allowed for other roles",
    account_changes.UnknownDoctorError: "--doctor: there is no such doctor",
}

Name = Annotated[str, typer.Argument(help="The name to sign in with.")]
ShownName = Annotated[str, typer.Argument(help="The name that screens show.")]
NewRole = Annotated[Role, typer.Argument(help="What this person may do.")]
Doctor = Annotated[
    str | None, typer.Option(help="The doctor's number, or an identifier as SYSTEM|VALUE; for role doctor only.")
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]

users = typer.Typer(
    name="user", help="Staff accounts: list, add, change, revoke, restore.", no_args_is_help=True, add_completion=False
)


@users.command("list")
def show() -> None:
    """Print one line for each account: username, role, the doctor's number, active or revoked, and the shown name."""
    for account in _run(list_accounts, "read"):
        state = "active" if account["active"] else "revoked"
        columns = (account["username"], account["role"], str(account["doctor_id"] or "-"), state, account["name"])
        typer.echo("\t".join(columns))


@users.command()
def add(
    name: Name,
    role: NewRole,
    doctor: Doctor = None,
    shown_name: Annotated[
        str | None, typer.Option("--name", help="The name that screens show; otherwise the name to sign in with.")
    ] = None,
    password_stdin: FromStdin = False,
) -> None:
    """Open an account. The command asks for the password twice, or reads it from stdin."""
    _check_doctor_option(role, doctor)
    _check_name("NAME", name)
    _check_name("--name", shown := name if shown_name is None else shown_name)
    _run(_add_account, "written", name, _hash_password(_read_password(password_stdin)), shown, role, doctor)
    typer.echo("added")


@users.command()
def passwd(name: Name, password_stdin: FromStdin = False) -> None:
    """Set a new password. The account's open sessions end."""
    if not _run(account_changes.change_password, "written", name, _hash_password(_read_password(password_stdin))):
        raise _unknown_account()
    typer.echo("password changed")


@users.command()
def rename(name: Name, shown_name: ShownName) -> None:
    """Change the name that screens show. The name to sign in with stays."""
    _check_name("SHOWN_NAME", shown_name)
    _change(name, AccountChange(name=shown_name))
    typer.echo("renamed")


@users.command()
def role(name: Name, new_role: NewRole, doctor: Doctor = None) -> None:
    """Change what this person may do. The account's open sessions end."""
    _check_doctor_option(new_role, doctor)
    doctor_id = None if doctor is None else _run(_find_doctor, "read", doctor)
    _change(name, AccountChange(role=new_role, doctor_id=doctor_id))
    typer.echo("role changed")


@users.command()
def revoke(name: Name) -> None:
    """Close the account, and end its open sessions immediately."""
    _change(name, AccountChange(is_active=False))
    typer.echo("revoked")


@users.command()
def restore(name: Name) -> None:
    """Open a revoked account again, with the password that it had."""
    _change(name, AccountChange(is_active=True))
    typer.echo("restored")


def _check_doctor_option(role: Role, doctor: str | None) -> None:
    if (role is Role.doctor) != (doctor is not None):
        raise OperatorError(REFUSALS[account_changes.DoctorMismatchError], 2)


def _check_name(option: str, name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise OperatorError(
            f"{option}: must be 1 to {MAX_NAME_LENGTH} printable characters without a space at either end", 2
        )


def _change(name: str, change: AccountChange) -> None:
    now = to_millisecond(datetime.now(UTC))
    if not _run(account_changes.change_named_account, "written", name, change, now):
        raise _unknown_account()


def _unknown_account() -> OperatorError:
    return OperatorError("NAME: there is no account with this name")


def _add_account(
    connection: Connection, username: str, password_hash: str, name: str, role: Role, doctor: str | None
) -> None:
    doctor_id = None if doctor is None else _find_doctor(connection, doctor)
    account_changes.create_account(connection, NewAccount(username, password_hash, name, role, doctor_id))


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


def _run(unit: Callable[Concatenate[Connection, P], T], purpose: str, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the unit on the database of the settings. `purpose` is for the message when that fails: `read` or `written`."""

    async def open_and_run() -> T:
        async with open_checked(load_settings().effective_database_url, purpose) as database:
            run = database.read if purpose == "read" else database.write
            return await run(unit, *args, **kwargs)

    try:
        return asyncio.run(open_and_run())
    except account_changes.AccountChangeError as error:
        raise OperatorError(REFUSALS[type(error)]) from None


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
