"""The data folder of `up`: its lock, the signing secret, and the state of the managed processes."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from patient_visit_engine.runtime.operator_error import OperatorError

SECRET_FILE = "jwt.secret"  # noqa: S105
STATE_FILE = "parts.json"
LOCK_FILE = "up.lock"


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[Path]:
    """Create the folder, readable by its owner only, and lock it against any other `up`. Yields its absolute path."""
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
    """The secret that signs tokens when the settings name none.

    The first call creates it, readable by its owner only; later calls return the same. `replay` reads the file too.
    """
    path = data_dir / SECRET_FILE
    if not path.exists():
        new_file = path.with_suffix(".new")
        new_file.unlink(missing_ok=True)
        with os.fdopen(os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        new_file.replace(path)
    return path.read_text()


class ProcessState(TypedDict):
    """One managed process. `pid` is None while it does not run, and `since` is the time of its last start, in ISO 8601."""

    pid: int | None
    since: str
    restarts: int


#: The state of each process, by its name.
ProcessStates = dict[str, ProcessState]


class UpState(TypedDict):
    """The content of `STATE_FILE`. `supervisor` is the process id of `up`."""

    supervisor: int
    parts: ProcessStates


def write_state(data_dir: Path, state: UpState) -> None:
    """Write the state of the processes. A reader sees the old file or the new one, never half of it."""
    new_file = data_dir / f"{STATE_FILE}.new"
    new_file.write_text(json.dumps(state, indent=2) + "\n")
    new_file.replace(data_dir / STATE_FILE)
