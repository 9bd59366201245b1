"""`visit-engine demo --play`: the script, and its result for the operator."""

from collections import Counter
from pathlib import Path

import pytest
from pwdlib import PasswordHash
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.cli.demo import command
from patient_visit_engine.cli.demo.scripted_day import scripted_plan
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from tests.support.passwords import WEAK_HASH
from tests.support.recorded_days import PARIS, TODAY
from tests.support.simple_clinic import SimpleClinic

SECRET = "a secret of the tests, long enough for HS256"


@pytest.fixture
def demo_environment(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An empty data folder, a secret, and passwords that are hashed quickly."""
    clean_environment.setenv("VISIT_DATA_DIR", str(tmp_path / "data"))
    clean_environment.setenv("VISIT_JWT_SECRET", SECRET)
    clean_environment.setattr(PasswordHash, "recommended", lambda: WEAK_HASH)
    return clean_environment


def test_every_call_of_script_is_possible() -> None:
    plan = scripted_plan(TODAY, PARIS)
    clinic = SimpleClinic(plan)

    for action in plan.actions:
        clinic.carry_out(action)

    assert clinic.refused == 1
    assert len(plan.patients) == 12


@pytest.mark.usefixtures("demo_environment")
def test_play_needs_a_running_system() -> None:
    result = CliRunner().invoke(build_program(), ["demo", "--play", "--url", "http://127.0.0.1:9"])

    assert isinstance(result.exception, OperatorError)
    assert str(result.exception).startswith("--url: no system answers")
    assert "login: smith" in result.output


@pytest.mark.parametrize("errors", [0, 1])
def test_failed_calls_end_with_an_error(demo_environment: pytest.MonkeyPatch, errors: int) -> None:
    played: list[tuple[str, float]] = []

    async def play(_settings: Settings, url: str, seconds: float) -> ReplayTally:
        played.append((url, seconds))
        return ReplayTally(errors=Counter(["reassign 422 same_doctor"] * errors))

    demo_environment.setattr(command, "play_demonstration", play)

    result = CliRunner().invoke(build_program(), ["demo", "--play", "--within", "5"])

    assert played == [("http://127.0.0.1:8000", 5)]
    assert isinstance(result.exception, OperatorError) == bool(errors)
