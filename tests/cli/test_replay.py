"""The parts of `visit-engine replay` that need no running system: the plan, the requests, the stream check and the report."""

import asyncio
import json
import os
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import jwt
import pytest
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.cli.datasets.csv_table import MAX_ID
from patient_visit_engine.cli.datasets.formats import read_data_sets
from patient_visit_engine.cli.datasets.recorded import RecordedAppointment, RecordedSet
from patient_visit_engine.cli.replay.delivery import Faults, check_delivery
from patient_visit_engine.cli.replay.driver import Driver, Pace, ReplayTally
from patient_visit_engine.cli.replay.plan import (
    MAX_REPLAYED,
    MAX_RUNS,
    MAX_SECONDS,
    MIN_SECONDS,
    NothingToReplayError,
    ReplayPlan,
    build_plan,
)
from patient_visit_engine.cli.replay.report import ReplayResult, percentile
from patient_visit_engine.cli.replay.stream_subscriber import StreamSubscriber
from patient_visit_engine.cli.replay.synthetic_day import synthetic_day
from patient_visit_engine.cli.replay.tokens import Tokens, find_secret
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

TODAY = date(2026, 3, 2)
PARIS = ZoneInfo("Europe/Paris")
MONDAY, TUESDAY = datetime.fromisoformat("2016-06-06T09:00"), datetime.fromisoformat("2016-06-07T09:00")
SECRET = "a secret of the tests, long enough for HS256"


def recorded(number: int, **changes: Any) -> RecordedAppointment:
    default = RecordedAppointment(
        line=number,
        appointment_id=number,
        patient_id=1,
        doctor_id=number,
        doctor=f"Dr. {number}",
        prestation_id=1,
        prestation="Consultation",
        exclusive=True,
        expected_minutes=20,
        scheduled_at=MONDAY,
    )
    return replace(default, **changes)


def plan_for(*rows: RecordedAppointment, shifted: bool = False, day: date | None = None, **options: Any) -> ReplayPlan:
    data_set = RecordedSet("set", rows, (), dates_are_shifted=shifted)
    return build_plan(data_set, day, TODAY, PARIS, 7, **options)


def test_busiest_day_moves_to_today() -> None:
    quarter_past = MONDAY + timedelta(minutes=15)

    plan = plan_for(recorded(1, scheduled_at=TUESDAY), recorded(2), recorded(3, scheduled_at=quarter_past))

    assert plan.day == MONDAY.date()
    assert [scheduled for *_, scheduled in plan.appointments.values()] == [
        datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
        datetime(2026, 3, 2, 8, 15, tzinfo=UTC),
    ]
    assert [step.at for step in plan.steps] == [0, 900]


def test_chooses_day_and_refuses_empty_day() -> None:
    rows = (recorded(1), recorded(2), recorded(3, scheduled_at=TUESDAY))

    assert len(plan_for(*rows, day=TUESDAY.date()).steps) == 1
    with pytest.raises(NothingToReplayError, match="no appointments on 2016-06-08"):
        plan_for(*rows, day=date(2016, 6, 8))


def test_shifted_dates_use_each_patients_busiest_day() -> None:
    years_later = MONDAY.replace(year=2150)

    plan = plan_for(
        recorded(1),
        recorded(2, scheduled_at=TUESDAY),
        recorded(3, scheduled_at=TUESDAY),
        recorded(4, patient_id=2, scheduled_at=years_later),
        shifted=True,
    )

    assert len(plan.steps) == 3
    assert {step.at for step in plan.steps} == {0}
    assert plan.races == 1
    assert any("the crowd on it is not real" in note for note in plan.notes)


def test_keeps_real_times_up_to_eight_hours() -> None:
    started_at = MONDAY + timedelta(minutes=5)

    plan = plan_for(
        recorded(1, started_at=MONDAY, ended_at=MONDAY + timedelta(days=3)),
        recorded(2, started_at=started_at, ended_at=started_at + timedelta(seconds=90)),
    )

    assert [(step.at, step.duration) for step in plan.steps] == [(0, MAX_REPLAYED.total_seconds()), (300, 90)]
    assert plan.duration == MAX_REPLAYED.total_seconds()


def test_made_up_lengths_are_plausible_and_stable() -> None:
    rows = [recorded(number, patient_id=number) for number in range(1, 1001)]

    first, second = plan_for(*rows), plan_for(*rows)

    lengths = sorted(step.duration for step in first.steps)
    assert first == second
    assert MIN_SECONDS <= lengths[0] < lengths[-1] <= MAX_SECONDS
    assert 650 < lengths[500] < 800
    assert any("lengths are made up" in note for note in first.notes)


def test_missed_appointment_is_booked_not_started() -> None:
    plan = plan_for(recorded(1), recorded(2, patient_id=2, attended=False))

    assert (len(plan.appointments), len(plan.steps)) == (2, 1)


def test_rivals_race_for_exclusive_only() -> None:
    rows = [recorded(n, patient_id=n) for n in range(1, 6)] + [recorded(6, patient_id=6, exclusive=False)]

    plan = plan_for(*rows, rivals=3)

    doctors_of_patient: dict[int, set[int]] = {}
    for step in plan.steps:
        doctors_of_patient.setdefault(step.patient_id, set()).add(step.doctor_id)
    assert sorted(len(doctors) for doctors in doctors_of_patient.values()) == [1, 4, 4, 4, 4, 4]
    assert plan.races == 5


def test_runs_share_no_id_and_repeat_exactly() -> None:
    data_set = synthetic_day()

    run_7, run_7_again, run_8 = (build_plan(data_set, None, TODAY, PARIS, run) for run in (7, 7, 8))
    last_run = build_plan(data_set, None, TODAY, PARIS, MAX_RUNS - 1)

    assert run_7 == run_7_again
    assert not set(run_7.appointments) & set(run_8.appointments)
    assert not set(run_7.patients) & set(run_8.patients)
    assert max(last_run.appointments) <= MAX_ID


def test_plan_takes_limited_number_of_patients() -> None:
    plan = build_plan(synthetic_day(), None, TODAY, PARIS, 7, max_patients=10)

    assert len(plan.patients) == 10


def test_synthetic_day_has_races_and_xrays() -> None:
    plan = build_plan(synthetic_day(), None, TODAY, PARIS, 7)

    assert plan.races > 30
    assert {exclusive for _, exclusive, _ in plan.prestations.values()} == {True, False}


@pytest.mark.parametrize(
    ("positions", "faults", "unexpected"),
    [
        ([3, 5, 6], Faults(), 0),
        ([3, 6], Faults(missing=1), 0),
        ([3, 5], Faults(missing=1), 0),
        ([3, 5, 5, 6], Faults(duplicate=1), 0),
        ([5, 3, 6], Faults(reordered=1), 0),
        ([3, 4, 5, 6], Faults(), 1),
    ],
)
def test_counts_every_fault_of_stream(positions: list[int], faults: Faults, unexpected: int) -> None:
    delivery = check_delivery("supervisor", positions, [3, 5, 6])

    assert (delivery.faults, delivery.unexpected) == (faults, unexpected)
    assert delivery.passed == (not faults and not unexpected)


async def test_subscriber_ignores_control_and_resumes() -> None:
    last_event_ids: list[str | None] = []
    streams = [
        'event: ready\ndata: {"resume":"exact","cursor":"ab-2"}\nid: ab-2\n\nevent: consultation.started\nid: ab-3\ndata: {}\n\n',
        'event: ready\ndata: {"resume":"exact","cursor":"ab-3"}\n\nevent: heartbeat\nid: ab-4\ndata: {}\n\n'
        "event: consultation.completed\nid: ab-5\ndata: {}\n\n",
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        last_event_ids.append(request.headers.get("last-event-id"))
        return httpx.Response(200, text=streams[min(len(last_event_ids), 2) - 1])

    subscriber = StreamSubscriber("supervisor", "token", ("consultations",))
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        task = asyncio.create_task(subscriber.run(client))
        await asyncio.wait_for(subscriber.wait_for_position(5), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert last_event_ids[:2] == [None, "ab-3"]
    assert subscriber.start_position == 2
    assert subscriber.positions[:2] == [3, 5]


def tokens_for(plan: ReplayPlan) -> Tokens:
    return Tokens(Settings(), SECRET, {doctor_id: name for doctor_id, (name, _) in plan.doctors.items()})


async def run_plan(plan: ReplayPlan, answer: Any, retries: int = 0) -> ReplayTally:
    """Run the plan against a fake system that answers with `answer`."""
    pace = Pace(speed=1e6, max_concurrent=8, retries=retries, retry_after=600.0)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        driver = Driver(client, tokens_for(plan), plan, pace, 7)
        await driver.run_steps(lambda _tally: None)
        return driver.tally


async def test_doctors_use_own_tokens_and_answers_count() -> None:
    plan = plan_for(recorded(1), recorded(2), recorded(3, patient_id=2))
    busy_patients: set[int] = set()
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        claims = jwt.decode(request.headers["authorization"].removeprefix("Bearer "), SECRET, ["HS256"])
        keys.append(request.headers["idempotency-key"])
        if request.url.path.endswith("/complete"):
            return httpx.Response(200, json={})
        body = json.loads(request.content)
        assert (claims["role"], claims["doctor_id"]) == ("doctor", body["doctor_id"])
        if body["patient_id"] in busy_patients:
            return httpx.Response(409, json={"code": "patient_in_consultation"})
        busy_patients.add(body["patient_id"])
        return httpx.Response(201, json={"id": f"c{body['appointment_id']}"})

    tally = await run_plan(plan, answer, retries=1)

    assert (tally.requested, tally.granted, tally.completed, tally.retried) == (4, 2, 2, 1)
    assert tally.refused == {"patient_in_consultation": 2}
    assert len(set(keys)) == len(keys) == 6
    assert not tally.errors


async def test_resends_unknown_answer_with_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patient_visit_engine.cli.replay.driver.RESEND_PAUSE_SECONDS", 0.0)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            return httpx.Response(503, json={"code": "undecided"})
        if len(keys) == 2:
            raise httpx.ReadError("the connection broke")
        return httpx.Response(201 if len(keys) == 3 else 200, json={"id": "c1"})

    tally = await run_plan(plan_for(recorded(1)), answer)

    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert (tally.requested, tally.granted, tally.undecided, tally.completed) == (1, 1, 2, 1)


async def test_unexpected_answers_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patient_visit_engine.cli.replay.driver.RESEND_PAUSE_SECONDS", 0.0)
    plan = plan_for(recorded(1))

    broken = await run_plan(plan, lambda _request: httpx.Response(500, text="oh"))
    silent = await run_plan(plan, lambda _request: httpx.Response(503))

    assert broken.errors == {"start 500 ": 1}
    assert silent.errors == {"never answered": 1}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.95, 4), (0.99, 4)])
def test_percentiles_are_measured_values(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected
    assert percentile([], share) == 0


def test_signs_tokens_with_secret_of_up(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(OperatorError, match="VISIT_JWT_SECRET"):
        find_secret(settings)
    (tmp_path / "jwt.secret").write_text(SECRET)

    headers = Tokens(settings, find_secret(settings), {7: "Dr. Smith"}).doctor_headers(7)

    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), SECRET, ["HS256"])
    assert claims["exp"] > time.time() + 3600
    assert {name: claims[name] for name in ("role", "doctor_id", "name")} == {
        "role": "doctor",
        "doctor_id": 7,
        "name": "Dr. Smith",
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--within", "soon"], "--within"),
        (["--within", "0"], "--within"),
        (["--day", "yesterday"], "--day"),
        (["--day", "2020-01-01"], "no appointments on 2020-01-01"),
        (["--data", "nowhere.csv"], "No such file"),
        (["--url", "http://127.0.0.1:9", "--no-audit"], "no system answers"),
    ],
)
def test_operator_errors_are_one_line(clean_environment: pytest.MonkeyPatch, options: list[str], reason: str) -> None:
    clean_environment.setenv("VISIT_JWT_SECRET", SECRET)

    result = CliRunner().invoke(build_program(), ["replay", *options])

    assert isinstance(result.exception, OperatorError), result.output
    assert reason in str(result.exception)
    assert "\n" not in str(result.exception)


PUBLISHED = Path(os.environ.get("VISIT_TEST_DATA") or Path(__file__).parents[2].parent / "shared" / "data")


@pytest.mark.parametrize(
    ("path", "day", "starts", "races"),
    [
        ("noshow-vitoria/KaggleV2-May-2016.csv.gz", date(2016, 6, 6), 3_776, 1),
        ("mimic-iv-demo", None, 300, 20),
        ("hangu-consultations/Data.csv.gz", None, 20, 0),
    ],
)
def test_published_sets_have_day_to_replay(path: str, day: date | None, starts: int, races: int) -> None:
    if not (PUBLISHED / path).exists():
        pytest.skip(f"{path} is missing: set VISIT_TEST_DATA to the folder that contains it")

    plan = build_plan(read_data_sets(PUBLISHED / path)[0], None, TODAY, PARIS, 7)

    assert day in (None, plan.day)
    assert len(plan.steps) >= starts
    assert plan.races >= races
    assert max(plan.appointments) <= MAX_ID


GOOD_DELIVERY = check_delivery("supervisor", [3, 5], [3, 5])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rule_holds": False}, "the audit found the rule broken"),
        ({"deliveries": [GOOD_DELIVERY, check_delivery("doctor 7", [3], [3, 5])]}, "the event stream lost"),
        ({"tally": ReplayTally(errors=Counter({"start 500 ": 1}))}, "requests failed"),
    ],
)
def test_replay_fails_on_broken_guarantee(changes: dict[str, Any], reason: str) -> None:
    success = ReplayResult(
        tally=ReplayTally(requested=2, granted=2), deliveries=[GOOD_DELIVERY], published=2, rule_holds=True, seconds=1.0
    )

    assert success.failures == []
    assert [failure for failure in replace(success, **changes).failures if failure.startswith(reason)]
