"""Adds the demonstration hospital to a database, with the appointments of a day.

It creates a random password for each new account. The database keeps only the hashes. The passwords are in one file of the data
directory, so that `up` can print them again.
"""

import asyncio
import secrets
from datetime import UTC, date, datetime
from pathlib import Path

from pwdlib import PasswordHash
from sqlalchemy import Connection, exists, select

from patient_visit_engine.cli.demo import hospital
from patient_visit_engine.cli.demo.logins import Login, read_logins, write_logins
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load_settings
from patient_visit_engine.storage import accounts, tables
from patient_visit_engine.storage.bulk_master_data import add_missing
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import HospitalCalendar

OTHER_RECORDS = "the database has other patients or doctors: --force adds the demonstration to them"


async def load_demonstration(
    database: Database,
    calendar: HospitalCalendar,
    today: date | None = None,
    *,
    data_dir: Path | None = None,
    force: bool = False,
) -> list[Login]:
    """Add the missing rows of the hospital and of the appointments of `today`, and return the accounts.

    Without `today` it is the current hospital day. A second call on the same day changes nothing. No events are appended.
    Raises `OperatorError` when the database has other patients or doctors, unless `force`. Raises it always when one
    of the demonstration's ids belongs to another record.
    """
    if not force and await database.read(_has_other_records):
        # Before the passwords are hashed, which takes seconds.
        raise OperatorError(OTHER_RECORDS)
    day = today or calendar.day_of(datetime.now(UTC))
    folder = data_dir or load_settings().data_dir
    roles = {name: role.value for name, _, role, _ in hospital.accounts()}
    existing = await database.read(_load_password_hashes, list(roles))
    new_logins = await asyncio.to_thread(_create_logins, {n: role for n, role in roles.items() if n not in existing})
    added_names = await database.write(_add_hospital, calendar, day, new_logins, force)
    if added_names:
        older = [login for login in await asyncio.to_thread(read_logins, folder) if login.username not in added_names]
        added = [new_logins[name] for name in added_names]
        await asyncio.to_thread(write_logins, folder, [*older, *added])
    return await load_logins(database, folder)


def is_in_use(connection: Connection, calendar: HospitalCalendar) -> bool:
    """Whether a patient has arrived for one of today's appointments of the demonstration."""
    today = calendar.day_of(datetime.now(UTC))
    numbers = [row["id"] for row in hospital.appointments(today, calendar)]
    tracking = tables.patient_trackings.c
    return bool(connection.scalar(select(exists().where(tracking.appointment_id.in_(numbers)))))


async def load_logins(database: Database, data_dir: Path | None = None) -> list[Login]:
    """The demonstration's accounts that still have the password of this file. Empty if it was never loaded."""
    logins = await asyncio.to_thread(read_logins, data_dir or load_settings().data_dir)
    hashes = await database.read(_load_password_hashes, [login.username for login in logins])
    return [login for login in logins if hashes.get(login.username) == login.password_hash]


def _load_password_hashes(connection: Connection, names: list[str]) -> dict[str, str]:
    query = select(tables.accounts.c.username, tables.accounts.c.password_hash)
    open_accounts = query.where(tables.accounts.c.username.in_(names), tables.accounts.c.revoked_at.is_(None))
    return {row.username: row.password_hash for row in connection.execute(open_accounts)}


def _create_logins(roles: dict[str, str]) -> dict[str, Login]:
    hasher = PasswordHash.recommended()
    passwords = {name: secrets.token_urlsafe(9) for name in roles}
    return {name: Login(name, passwords[name], role, hasher.hash(passwords[name])) for name, role in roles.items()}


def _add_hospital(
    connection: Connection, calendar: HospitalCalendar, day: date, new_logins: dict[str, Login], force: bool
) -> list[str]:
    """Add everything in one transaction. Returns the names of the accounts that were added."""
    if not force and _has_other_records(connection):
        raise OperatorError(OTHER_RECORDS)
    for table, rows, compared_columns in (
        (tables.patients, hospital.patients(), ("first_name", "last_name")),
        (tables.doctors, hospital.doctors(), ("name",)),
        (tables.prestations, hospital.prestations(), ("name", "exclusive")),
        # Staff may have given an appointment to another doctor.
        (tables.appointments, hospital.appointments(day, calendar), ("patient_id",)),
    ):
        if conflicting_ids := add_missing(connection, table, rows, compared_columns).different:
            raise OperatorError(
                f"{table.name}: number {conflicting_ids[0]} belongs to another record: the demonstration is not added"
            )
    return [
        username
        for username, display_name, role, doctor_id in hospital.accounts()
        if username in new_logins
        and accounts.add_account(
            connection, username, new_logins[username].password_hash, display_name, role, doctor_id
        )
    ]


def _has_other_records(connection: Connection) -> bool:
    return any(
        connection.scalar(select(exists().select_from(table).where(table.c.id.not_in([row["id"] for row in rows]))))
        for table, rows in ((tables.patients, hospital.patients()), (tables.doctors, hospital.doctors()))
    )
