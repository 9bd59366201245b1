"""A small file system in memory, which a test fills."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLER = "filler"
CHUNK_BYTES = 4096


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount it at a new folder inside `folder`. Skips the test where mounting is not allowed."""
    disk = folder / "small-disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "visit-test", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk: this account cannot mount one")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Write a file until not a byte is left."""
    with (disk / FILLER).open("ab", buffering=0) as file:
        for size in (CHUNK_BYTES * 256, CHUNK_BYTES):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def free(disk: Path) -> None:
    """Delete the file."""
    (disk / FILLER).unlink()
