"""`visit-engine demo`: puts the demonstration hospital into a database, once, and its appointments of today; it must not know HTTP.

Passwords are drawn when an account is made. The database keeps their hashes; the words stand in one file in the data directory that
only its owner can read, for `up` to print again.
"""

import asyncio
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pwdlib import PasswordHash
from sqlalchemy import Connection, exists, select
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.cli.demo import hospital
from patient_visit_engine.cli.migrate import schema
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load as load_settings
from patient_visit_engine.storage import accounts, tables
from patient_visit_engine.storage.bulk_master_data import add_missing
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import local_day

LOGINS_FILE = "demo-logins.json"


@dataclass(frozen=True)
class Login:
    """How somebody signs in to the demonstration."""

    username: str
    password: str
    role: str
    #: What the database keeps of it: another hash there means that the password was changed.
    password_hash: str


FIELDS = tuple(field.name for field in fields(Login))


def demo(
    force: Annotated[bool, typer.Option("--force", help="Also into a database that holds other patients.")] = False,
) -> None:
    """A small demonstration hospital with today's appointments and an account for everyone; on a later day, that day's."""
    settings = load_settings()
    schema(settings)

    async def whole() -> list[Login]:
        database = Database(settings.database)
        try:
            return await load(database, settings.zone, data_dir=settings.data_dir, force=force)
        finally:
            await database.close()

    try:
        found = asyncio.run(whole())
    except (DBAPIError, OSError) as error:
        # Not the error's own text: it quotes the rows.
        raise OperatorError(f"the demonstration cannot be written ({type(error).__name__})") from error
    typer.echo("the demonstration hospital has its appointments of today")
    for login in found:
        typer.echo(f"login: {login.username} {login.password} {login.role}")
    if not found:
        typer.echo("its passwords are not known any more: `visit-engine user passwd NAME` sets one")


async def load(
    database: Database,
    zone: ZoneInfo,
    today: date | None = None,
    *,
    data_dir: Path | None = None,
    force: bool = False,
) -> list[Login]:
    """Add what is missing of the hospital, and of the appointments of `today` (the zone's date now); returns the accounts.

    A second call on a day changes nothing; no events are appended. Raises `OperatorError` when the database holds other
    patients or doctors, unless `force`; and always when one of the demonstration's own numbers is somebody else's.
    """
    day = today or local_day(datetime.now(UTC), zone)
    folder = data_dir or load_settings().data_dir
    wanted = {name: role.value for name, _, role, _ in hospital.accounts()}
    known = await database.read(_hashes_of, list(wanted))
    drawn = await asyncio.to_thread(_draw, {name: role for name, role in wanted.items() if name not in known})
    made = await database.write(_write, zone, day, drawn, force)
    if made:
        kept = [login for login in await asyncio.to_thread(_read, folder) if login.username not in made]
        await asyncio.to_thread(_keep, folder, [*kept, *(drawn[name] for name in made)])
    return await logins(database, folder)


async def logins(database: Database, data_dir: Path | None = None) -> list[Login]:
    """The demonstration's accounts whose passwords are still those that it drew; none where it was never loaded."""
    kept = await asyncio.to_thread(_read, data_dir or load_settings().data_dir)
    hashes = await database.read(_hashes_of, [login.username for login in kept])
    return [login for login in kept if hashes.get(login.username) == login.password_hash]


def _hashes_of(connection: Connection, names: list[str]) -> dict[str, str]:
    query = select(tables.accounts.c.username, tables.accounts.c.password_hash)
    held = query.where(tables.accounts.c.username.in_(names), tables.accounts.c.revoked_at.is_(None))
    return {row.username: row.password_hash for row in connection.execute(held)}


def _draw(names: dict[str, str]) -> dict[str, Login]:
    hasher = PasswordHash.recommended()
    drawn = {name: secrets.token_urlsafe(9) for name in names}
    return {name: Login(name, drawn[name], role, hasher.hash(drawn[name])) for name, role in names.items()}


def _write(connection: Connection, zone: ZoneInfo, day: date, drawn: dict[str, Login], force: bool) -> list[str]:
    """All of it or nothing, in one transaction; returns the names of the accounts that were made."""
    if not force and _holds_others(connection):
        raise OperatorError("the database holds other patients or doctors: --force adds the demonstration to them")
    for table, rows, compare in (
        (tables.patients, hospital.patients(), ("first_name", "last_name")),
        (tables.doctors, hospital.doctors(), ("name",)),
        (tables.prestations, hospital.prestations(), ("name", "exclusive")),
        (tables.appointments, hospital.appointments(day, zone), ("patient_id", "doctor_id")),
    ):
        if other := add_missing(connection, table, rows, compare).other:
            raise OperatorError(
                f"{table.name}: number {other[0]} is somebody else here: the demonstration is not added"
            )
    return [
        name
        for name, shown, role, doctor in hospital.accounts()
        if name in drawn and accounts.add_account(connection, name, drawn[name].password_hash, shown, role, doctor)
    ]


def _holds_others(connection: Connection) -> bool:
    return any(
        connection.scalar(select(exists().select_from(table).where(table.c.id.not_in([row["id"] for row in own]))))
        for table, own in ((tables.patients, hospital.patients()), (tables.doctors, hospital.doctors()))
    )


def _read(folder: Path) -> list[Login]:
    try:
        kept: list[Any] = json.loads((folder / LOGINS_FILE).read_text())
        return [Login(**{name: str(one[name]) for name in FIELDS}) for one in kept]
    except (OSError, ValueError, TypeError, KeyError):
        # Whoever damaged the file has lost the words, not the accounts.
        return []


def _keep(folder: Path, kept: list[Login]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"{LOGINS_FILE}.new"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump([asdict(login) for login in kept], file, indent=2)
    fresh.replace(folder / LOGINS_FILE)
