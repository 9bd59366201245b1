"""The accounts of the demonstration hospital with their passwords, kept in one file that only its owner can read."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

LOGINS_FILE = "demo-logins.json"


@dataclass(frozen=True)
class Login:
    """One account of the demonstration hospital, with its password."""

    username: str
    password: str
    role: str
    #: The hash in the database. Another hash there means that someone changed the password.
    password_hash: str

    def line(self) -> str:
        """The line that the programs print for the operator."""
        return f"login: {self.username} {self.password} {self.role}"


FIELDS = tuple(field.name for field in fields(Login))


def read_logins(folder: Path) -> list[Login]:
    """The logins in the folder's file. Empty when the file is missing or damaged."""
    try:
        records: list[Any] = json.loads((folder / LOGINS_FILE).read_text())
        return [Login(**{name: str(record[name]) for name in FIELDS}) for record in records]
    except (OSError, ValueError, TypeError, KeyError):
        # A damaged file loses the passwords, not the accounts.
        return []


def write_logins(folder: Path, logins: list[Login]) -> None:
    """Replace the folder's file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    new_file = folder / f"{LOGINS_FILE}.new"
    new_file.unlink(missing_ok=True)
    with os.fdopen(os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump([asdict(login) for login in logins], file, indent=2)
    new_file.replace(folder / LOGINS_FILE)
