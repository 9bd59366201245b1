"""The log file of a managed process, rotated so that its size is bounded."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

MAX_FILE_BYTES = 10_000_000
OLD_FILES_KEPT = 3


class LogFile:
    """A file that a process writes to directly, so that the process never waits for the supervisor to read."""

    def __init__(self, path: Path, max_bytes: int = MAX_FILE_BYTES, old_files_kept: int = OLD_FILES_KEPT) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._old_files_kept = old_files_kept

    def open_for_append(self) -> BinaryIO:
        """Open the file for a process to write to."""
        return self.path.open("ab", buffering=0)

    def rotate_if_full(self) -> None:
        """If the file is full, copy it to `path.1`, shift the older copies and delete the oldest. Call it regularly.

        The file is copied and then truncated, because the process keeps writing to the file that it has open.
        """
        if not self.path.exists() or self.path.stat().st_size < self._max_bytes:
            return
        for age in range(self._old_files_kept, 1, -1):
            newer = self._old_file(age - 1)
            if newer.exists():
                newer.replace(self._old_file(age))
        shutil.copyfile(self.path, self._old_file(1))
        os.truncate(self.path, 0)

    def tail(self, lines: int) -> str:
        """The last `lines` lines of the file. Empty when there is no file, because its process was never started."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 400 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def _old_file(self, age: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{age}")
