"""The systemd units: rules for each unit. systemd checks them where it is installed."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from patient_visit_engine.api.server import GRACE_SECONDS as API_GRACE
from patient_visit_engine.cli.app import COMMANDS
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.worker.builder import SHUTDOWN_TIMEOUT as WORKER_GRACE
from tests.support.compose import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
INSTALLED_PROGRAM = "/opt/visit-engine/bin/visit-engine"
#: systemd's exposure level in tenths: from 0 (closed) to 100 (open).
MAX_EXPOSURE = 15

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze: not on the PATH")


class Unit(configparser.RawConfigParser):
    """The keys of a unit. A key can have several lines."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
        self.optionxform = str  # type: ignore[assignment, method-assign]
        self.read(path)
        self.lines = path.read_text().splitlines()

    def all_values(self, key: str) -> list[str]:
        return [line.partition("=")[2] for line in self.lines if line.startswith(f"{key}=")]


@pytest.fixture(params=UNITS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    """Each unit, one test after the other."""
    unit_path: Path = request.param
    return unit_path


@pytest.fixture
def unit(path: Path) -> Unit:
    return Unit(path)


@needs_systemd
def test_systemd_accepts_the_unit(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    # systemd checks that the program exists.
    copy.write_text(path.read_text().replace(INSTALLED_PROGRAM, "/bin/true"))

    result = subprocess.run(
        ["systemd-analyze", "verify", copy], check=False, capture_output=True, text=True, timeout=60
    )

    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
def test_systemd_rates_exposure_low(path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", str(path)]

    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert result.returncode == 0, result.stdout.splitlines()[-1]


def test_unit_runs_command_of_the_program(unit: Unit) -> None:
    program, command = unit["Service"]["ExecStart"].split()

    assert program == INSTALLED_PROGRAM
    assert command in COMMANDS


def test_secrets_of_unit_are_settings(unit: Unit) -> None:
    secrets = [credential.partition(":")[0] for credential in unit.all_values("LoadCredential")]

    assert {name.removeprefix("visit_") for name in secrets} <= set(Settings.model_fields)
    assert "VISIT_SECRETS_DIR=%d" in unit["Service"]["Environment"].split()


def test_unit_contains_no_secret(path: Path) -> None:
    assert not re.search("PASSWORD=|SECRET=|postgresql", path.read_text())


@pytest.mark.parametrize(("name", "grace"), [("api", API_GRACE), ("worker", WORKER_GRACE.total_seconds())])
def test_unit_gives_enough_time_to_stop(name: str, grace: float) -> None:
    service = Unit(ROOT / "deploy" / "systemd" / f"visit-engine-{name}.service")["Service"]

    assert float(service["TimeoutStopSec"]) >= grace + 5
    assert service["Restart"] == "always"
    assert service["MemoryMax"]
