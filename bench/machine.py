"""Describes the machine of a benchmark."""

import os
import platform
import sqlite3
from collections.abc import Iterable
from importlib.metadata import version


def describe_machine(packages: Iterable[str]) -> str:
    """The cores, load and software versions of this machine, with the versions of these packages."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), {platform.system()} {platform.release()}; "
        f"load before the first round {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}"
    )
