"""`visit-engine demo --play`: the script, and its result for the operator."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pwdlib import PasswordHash
from sqlalchemy import insert
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.cli.demo import command, hospital
from patient_visit_engine.cli.demo.scripted_day import scripted_plan
from patient_visit_engine.cli.replay.staff_actions import CALLS
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import patient_trackings
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


def test_script_has_every_command() -> None:
    """A patient without a record walks in only on a generated day."""
    plan = scripted_plan(TODAY, PARIS)

    assert {action.command for action in plan.actions} == set(CALLS) - {"walk in as new patient"}


@pytest.mark.usefixtures("demo_environment")
def test_play_needs_a_running_system() -> None:
    result = CliRunner().invoke(build_program(), ["demo", "--play", "--url", "http://127.0.0.1:9"])

    assert isinstance(result.exception, OperatorError)
    assert str(result.exception).startswith("--url: no system answers")
    assert "login: smith" in result.output


@pytest.mark.usefixtures("demo_environment")
def test_second_play_of_a_day_is_refused() -> None:
    play = ["demo", "--play", "--url", "http://127.0.0.1:9"]
    assert "no system answers" in str(CliRunner().invoke(build_program(), play).exception)
    settings = load_settings()
    today = settings.calendar.day_of(datetime.now(UTC))
    booked = hospital.appointments(today, settings.calendar)[0]
    arrived = {name: booked[name] for name in ("patient_id", "doctor_id", "prestation_id")} | {
        "person_id": booked["patient_id"],
        "appointment_id": booked["id"],
        "exclusive": True,
        "checked_in": True,
        "visit_day": today,
        "status": "pending",
        "check_in_time": datetime.now(UTC),
        "created_by": 1,
    }

    async def check_in() -> None:
        database = Database(settings.effective_database_url)
        await database.write(lambda connection: connection.execute(insert(patient_trackings).values(**arrived)))
        await database.close()

    asyncio.run(check_in())
    result = CliRunner().invoke(build_program(), play)

    assert isinstance(result.exception, OperatorError)
    assert str(result.exception).startswith("demo --play: patients have arrived")


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
