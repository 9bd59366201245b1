"""Runs of pytest that skip a test, with and without the variable of continuous integration."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needed_tests import VARIABLE

ROOT = Path(__file__).parents[2]
SKIPPING = """
import pytest

def test_skipped():
    pytest.skip("{reason}")
"""
PLUGIN = """
from tests.support.needed_tests import NeededTests, must_run

def pytest_configure(config):
    if must_run():
        config.pluginmanager.register(NeededTests())
"""


@pytest.mark.parametrize(
    ("reason", "variable", "status"),
    [
        ("caddy: not on the PATH", "1", 1),
        ("caddy: not on the PATH", "", 0),
        ("a small disk: this account cannot mount one", "1", 0),
    ],
    ids=["in CI", "on a developer's machine", "without the right"],
)
def test_skipped_test_fails_a_run_in_ci(tmp_path: Path, reason: str, variable: str, status: int) -> None:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_skipping.py").write_text(SKIPPING.format(reason=reason))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--rootdir",
        str(tmp_path),
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    # Loading the plugins of all packages takes longer than the rest of the run.
    environment = {**os.environ, VARIABLE: variable, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert run.returncode == status, run.stdout + run.stderr
    assert (VARIABLE in run.stdout) == bool(status)


def test_ci_forbids_skipped_tests() -> None:
    assert f"export {VARIABLE}=1" in (ROOT / ".ci" / "run").read_text()
