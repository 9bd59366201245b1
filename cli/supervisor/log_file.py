"""What a part of the system prints, kept in a bounded number of bounded files; it must not know what the lines say."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

LARGEST_FILE = 10_000_000
OLDER_FILES = 3


class LogFile:
    """A file that processes append to by themselves, so that none of them ever waits for whoever started it."""

    def __init__(self, path: Path, largest: int = LARGEST_FILE, older: int = OLDER_FILES) -> None:
        self.path = path
        self._largest = largest
        self._older = older

    def appending(self) -> BinaryIO:
        """The file, opened for a process to write to."""
        return self.path.open("ab", buffering=0)

    def turn(self) -> None:
        """When the file is full, make it `path.1` and forget the oldest of `path.1` ...; call it now and then.

        The content is copied and cut off, since the process that writes goes on with the file that it has open.
        """
        if not self.path.exists() or self.path.stat().st_size < self._largest:
            return
        for age in range(self._older, 1, -1):
            newer = self._numbered(age - 1)
            if newer.exists():
                newer.replace(self._numbered(age))
        shutil.copyfile(self.path, self._numbered(1))
        os.truncate(self.path, 0)

    def tail(self, lines: int) -> str:
        """The last lines written."""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 400 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def _numbered(self, age: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{age}")
