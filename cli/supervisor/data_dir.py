"""The folder that `up` keeps everything in: one `up` at a time, a signing secret, the state of the parts; it must not know what they do."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patient_visit_engine.runtime.operator_error import OperatorError

SECRET_FILE = "jwt.secret"  # noqa: S105
STATE_FILE = "parts.json"
LOCK_FILE = "up.lock"


@contextmanager
def held(data_dir: Path) -> Iterator[Path]:
    """Make the folder, readable by its owner alone, and keep every other `up` out of it; gives its absolute path."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(exist_ok=True)
        lock = (data_dir / LOCK_FILE).open("a+")
    except OSError as error:
        raise OperatorError(f"VISIT_DATA_DIR: {data_dir} cannot be written ({error.strerror})", 2) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorError(f"VISIT_DATA_DIR: another `visit-engine up` runs on {data_dir}", 2) from None
        yield data_dir.resolve()


def signing_secret(data_dir: Path) -> str:
    """The secret that tokens are signed with when none is set: made once, for its owner's eyes, and the same ever after.

    `replay` reads it here, when it runs beside `up`.
    """
    path = data_dir / SECRET_FILE
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        fresh.replace(path)
    return path.read_text()


def write_state(data_dir: Path, state: dict[str, Any]) -> None:
    """Say in a file how the parts are; a reader sees the old state or the new one, never half."""
    fresh = data_dir / f"{STATE_FILE}.new"
    fresh.write_text(json.dumps(state, indent=2) + "\n")
    fresh.replace(data_dir / STATE_FILE)
