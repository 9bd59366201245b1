"""The systemd units: systemd itself reads them where it is installed, and they give a process as long to stop as it takes."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from patient_visit_engine.api.server import GRACE as API_GRACE
from patient_visit_engine.cli.app import COMMANDS
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.worker.builder import SHUTDOWN_TIMEOUT as WORKER_GRACE
from tests.support.compose import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
INSTALLED = "/opt/visit-engine/bin/visit-engine"
#: systemd's own measure, from 0 (nothing is open) to 10 as it is asked here in tenths.
EXPOSED_AT_MOST = 15

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze: not on the PATH")


class Unit(configparser.RawConfigParser):
    """A unit's keys, each with all of its lines."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
        self.optionxform = str  # type: ignore[assignment, method-assign]
        self.read(path)
        self.lines = path.read_text().splitlines()

    def all(self, key: str) -> list[str]:
        return [line.partition("=")[2] for line in self.lines if line.startswith(f"{key}=")]


@pytest.fixture(params=UNITS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    """Each unit in its turn."""
    found: Path = request.param
    return found


@pytest.fixture
def unit(path: Path) -> Unit:
    return Unit(path)


@needs_systemd
def test_systemd_takes_the_unit(path: Path, tmp_path: Path) -> None:
    here = tmp_path / path.name
    # It looks whether the program is there.
    here.write_text(path.read_text().replace(INSTALLED, "/bin/true"))

    said = subprocess.run(["systemd-analyze", "verify", here], check=False, capture_output=True, text=True, timeout=60)

    assert (said.returncode, said.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_little_that_the_process_could_reach(path: Path) -> None:
    asked = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", "--no-pager", path]

    said = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)

    assert said.returncode == 0, said.stdout.splitlines()[-1]


def test_a_unit_runs_a_command_of_the_program(unit: Unit) -> None:
    program, command = unit["Service"]["ExecStart"].split()

    assert program == INSTALLED
    assert command in COMMANDS


def test_what_a_unit_hands_over_as_a_secret_is_a_setting(unit: Unit) -> None:
    handed = [credential.partition(":")[0] for credential in unit.all("LoadCredential")]

    assert {name.removeprefix("visit_") for name in handed} <= set(Settings.model_fields)
    assert "VISIT_SECRETS_DIR=%d" in unit["Service"]["Environment"].split()


def test_no_unit_has_a_secret_in_it(path: Path) -> None:
    assert not re.search("PASSWORD=|SECRET=|postgresql", path.read_text())


@pytest.mark.parametrize(("name", "grace"), [("api", API_GRACE), ("worker", WORKER_GRACE.total_seconds())])
def test_a_unit_gives_longer_to_stop_than_the_process_takes(name: str, grace: float) -> None:
    service = Unit(ROOT / "deploy" / "systemd" / f"visit-engine-{name}.service")["Service"]

    assert float(service["TimeoutStopSec"]) >= grace + 5
    assert service["Restart"] == "always"
    assert service["MemoryMax"]
