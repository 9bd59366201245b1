"""The plan of a replay: which appointments are started, when and by which doctors."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from patient_visit_engine.cli.datasets.formats import read_data_sets
from patient_visit_engine.cli.replay.plan import (
    MAX_REPLAYED,
    MAX_RUNS,
    MAX_SECONDS,
    MIN_SECONDS,
    NothingToReplayError,
    build_plan,
)
from patient_visit_engine.cli.replay.synthetic_day import synthetic_day
from patient_visit_engine.wire.field_types import MAX_ID
from tests.support.recorded_days import MONDAY, PARIS, TODAY, plan_for, recorded

TUESDAY = datetime.fromisoformat("2016-06-07T09:00")


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
