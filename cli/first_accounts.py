"""Adds the first accounts of a hospital at the start of `up`, or tells the operator how to add them."""

import asyncio
import secrets

from pwdlib import PasswordHash
from sqlalchemy import Connection, exists, select

from patient_visit_engine.cli.questions import confirm, is_at_terminal
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.accounts import add_account
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import accounts
from patient_visit_engine.visit.codes import Role

#: The administrator adds services, doctors and all other accounts on the page. The supervisor registers the first patient.
FIRST_ROLES = (Role.admin, Role.supervisor)
HINT = "no account yet: add the first one with `visit-engine user add NAME admin`, and the others on the page"
#: Random bytes of a password.
PASSWORD_BYTES = 9


async def add_first_accounts(settings: Settings) -> list[str]:
    """Add an administrator and a supervisor if there is no account and the operator wants them. Returns the lines to print.

    The passwords are only in these lines. Without a terminal, the line says how to add the first account.
    """
    database = Database(settings.effective_database_url)
    try:
        if await database.read(_has_account):
            return []
        if not is_at_terminal():
            return [HINT]
        question = (
            f"The hospital's time zone is {settings.timezone} (VISIT_TIMEZONE). Add an administrator and a supervisor?"
        )
        if not await confirm(question):
            return [HINT]
        passwords = {role: secrets.token_urlsafe(PASSWORD_BYTES) for role in FIRST_ROLES}
        await database.write(_add_accounts, await asyncio.to_thread(_hash_passwords, passwords))
    finally:
        await database.close()
    lines = [f"login: {role} {password} {role}" for role, password in passwords.items()]
    return [*lines, "note the passwords, because they are not printed again. Sign in on the page as admin to go on"]


def _has_account(connection: Connection) -> bool:
    return bool(connection.scalar(select(exists().select_from(accounts))))


def _hash_passwords(passwords: dict[Role, str]) -> dict[Role, str]:
    hasher = PasswordHash.recommended()
    return {role: hasher.hash(password) for role, password in passwords.items()}


def _add_accounts(connection: Connection, password_hashes: dict[Role, str]) -> None:
    for role, password_hash in password_hashes.items():
        add_account(connection, role.value, password_hash, role.value.capitalize(), role)
