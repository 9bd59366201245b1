"""A recorded day becomes timed requests, and what the stream delivered is held against the log: the parts that need no system."""

import asyncio
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

from patient_visit_engine.cli.app import build
from patient_visit_engine.cli.datasets import catalogue, synthetic
from patient_visit_engine.cli.datasets.rows import LARGEST_ID, RecordedAppointment, RecordedSet
from patient_visit_engine.cli.replay.drive import Driver, Pace, Tally
from patient_visit_engine.cli.replay.listen import Listener, compare
from patient_visit_engine.cli.replay.plan import (
    LONGEST_REPLAYED,
    LONGEST_SECONDS,
    MOST_RUNS,
    SHORTEST_SECONDS,
    NothingToReplayError,
    Plan,
    plan,
)
from patient_visit_engine.cli.replay.report import Result, percentile
from patient_visit_engine.cli.replay.tokens import Tokens, secret_of
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

TODAY = date(2026, 3, 2)
PARIS = ZoneInfo("Europe/Paris")
MONDAY, TUESDAY = datetime.fromisoformat("2016-06-06T09:00"), datetime.fromisoformat("2016-06-07T09:00")
SECRET = "a secret of the tests, long enough for HS256"


def an_appointment(number: int, **changes: Any) -> RecordedAppointment:
    usual = RecordedAppointment(
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
    return replace(usual, **changes)


def a_plan(*rows: RecordedAppointment, shifted: bool = False, day: date | None = None, **options: Any) -> Plan:
    found = RecordedSet("set", rows, (), dates_are_shifted=shifted)
    return plan(found, day, TODAY, PARIS, 7, **options)


def test_the_busiest_day_is_laid_on_today_at_the_same_wall_times() -> None:
    quarter_past = MONDAY + timedelta(minutes=15)

    planned = a_plan(
        an_appointment(1, scheduled_at=TUESDAY), an_appointment(2), an_appointment(3, scheduled_at=quarter_past)
    )

    assert planned.day == MONDAY.date()
    assert [scheduled for *_, scheduled in planned.appointments.values()] == [
        datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
        datetime(2026, 3, 2, 8, 15, tzinfo=UTC),
    ]
    assert [step.at for step in planned.steps] == [0, 900]


def test_a_day_can_be_chosen_and_an_empty_one_is_said_to_be_empty() -> None:
    rows = (an_appointment(1), an_appointment(2), an_appointment(3, scheduled_at=TUESDAY))

    assert len(a_plan(*rows, day=TUESDAY.date()).steps) == 1
    with pytest.raises(NothingToReplayError, match="no appointments on 2016-06-08"):
        a_plan(*rows, day=date(2016, 6, 8))


def test_patients_whose_dates_were_moved_are_laid_on_one_day_each_with_their_own_busiest() -> None:
    years_later = MONDAY.replace(year=2150)
    planned = a_plan(
        an_appointment(1),
        an_appointment(2, scheduled_at=TUESDAY),
        an_appointment(3, scheduled_at=TUESDAY),
        an_appointment(4, patient_id=2, scheduled_at=years_later),
        shifted=True,
    )

    assert len(planned.steps) == 3
    assert {step.at for step in planned.steps} == {0}
    assert planned.races == 1
    assert any("the crowd on it is not real" in note for note in planned.notes)


def test_real_starts_and_ends_are_kept_but_none_outlasts_a_working_day() -> None:
    started = MONDAY + timedelta(minutes=5)
    planned = a_plan(
        an_appointment(1, started=MONDAY, ended=MONDAY + timedelta(days=3)),
        an_appointment(2, started=started, ended=started + timedelta(seconds=90)),
    )

    assert [(step.at, step.lasts) for step in planned.steps] == [(0, LONGEST_REPLAYED.total_seconds()), (300, 90)]
    assert planned.lasts == LONGEST_REPLAYED.total_seconds()


def test_lengths_that_were_not_recorded_are_plausible_and_always_the_same() -> None:
    rows = [an_appointment(number, patient_id=number) for number in range(1, 1001)]

    first, second = a_plan(*rows), a_plan(*rows)

    lengths = sorted(step.lasts for step in first.steps)
    assert first == second
    assert SHORTEST_SECONDS <= lengths[0] < lengths[-1] <= LONGEST_SECONDS
    assert 650 < lengths[500] < 800
    assert any("lengths are made up" in note for note in first.notes)


def test_a_patient_who_never_came_is_booked_but_not_started() -> None:
    planned = a_plan(an_appointment(1), an_appointment(2, patient_id=2, attended=False))

    assert (len(planned.appointments), len(planned.steps)) == (2, 1)


def test_rivals_press_start_with_the_doctor_for_exclusive_consultations_only() -> None:
    rows = [an_appointment(n, patient_id=n) for n in range(1, 6)] + [an_appointment(6, patient_id=6, exclusive=False)]

    planned = a_plan(*rows, rivals=3)

    of_patient: dict[int, set[int]] = {}
    for step in planned.steps:
        of_patient.setdefault(step.patient_id, set()).add(step.doctor_id)
    assert sorted(len(doctors) for doctors in of_patient.values()) == [1, 4, 4, 4, 4, 4]
    assert planned.races == 5


def test_two_runs_share_no_id_and_the_same_run_is_the_same() -> None:
    found = synthetic.read()
    one, again, other = (plan(found, None, TODAY, PARIS, run) for run in (7, 7, 8))
    last = plan(found, None, TODAY, PARIS, MOST_RUNS - 1)

    assert one == again
    assert not set(one.appointments) & set(other.appointments)
    assert not set(one.patients) & set(other.patients)
    assert max(last.appointments) <= LARGEST_ID


def test_only_so_many_patients_are_taken() -> None:
    planned = plan(synthetic.read(), None, TODAY, PARIS, 7, most=10)

    assert len(planned.patients) == 10


def test_the_made_up_day_has_races_and_services_that_run_beside() -> None:
    planned = plan(synthetic.read(), None, TODAY, PARIS, 7)

    assert planned.races > 30
    assert {exclusive for _, exclusive, _ in planned.prestations.values()} == {True, False}


@pytest.mark.parametrize(
    ("positions", "faults"),
    [
        ([3, 5, 6], (0, 0, 0, 0)),
        ([3, 6], (1, 0, 0, 0)),
        ([3, 5, 5, 6], (0, 1, 0, 0)),
        ([5, 3, 6], (0, 0, 1, 0)),
        ([3, 4, 5, 6], (0, 0, 0, 1)),
    ],
)
def test_every_fault_of_the_stream_is_counted(positions: list[int], faults: tuple[int, ...]) -> None:
    heard = compare("supervisor", positions, [3, 5, 6])

    assert (heard.missing, heard.duplicate, heard.out_of_order, heard.strangers) == faults
    assert heard.is_as_promised == (not any(faults))


async def test_a_listener_takes_events_for_events_and_comes_back_where_a_stream_broke_off() -> None:
    asked: list[str | None] = []
    streams = [
        'event: ready\ndata: {"resume":"exact","cursor":"ab-2"}\nid: ab-2\n\nevent: consultation.started\nid: ab-3\ndata: {}\n\n',
        'event: ready\ndata: {"resume":"exact","cursor":"ab-3"}\n\nevent: heartbeat\nid: ab-4\ndata: {}\n\n'
        "event: consultation.completed\nid: ab-5\ndata: {}\n\n",
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        return httpx.Response(200, text=streams[min(len(asked), 2) - 1])

    listener = Listener("supervisor", "token", ("consultations",))
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        task = asyncio.create_task(listener.listen(client))
        await asyncio.wait_for(listener.reach(5), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert asked[:2] == [None, "ab-3"]
    assert listener.since == 2
    assert listener.positions[:2] == [3, 5]


def tokens_of(planned: Plan) -> Tokens:
    return Tokens(Settings(), SECRET, {number: name for number, (name, _) in planned.doctors.items()})


async def driven(planned: Plan, answer: Any, **pace: Any) -> Driver:
    usual = {"speed": 1e6, "at_once": 8, "retries": 0, "retry_after": 600.0}
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        driver = Driver(client, tokens_of(planned), planned, Pace(**(usual | pace)), 7)
        await driver.drive(lambda _tally: None)
        return driver


async def test_every_doctor_asks_in_its_own_name_and_every_answer_is_counted() -> None:
    planned = a_plan(an_appointment(1), an_appointment(2), an_appointment(3, patient_id=2))
    in_consultation: set[int] = set()
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        claims = jwt.decode(request.headers["authorization"].removeprefix("Bearer "), SECRET, ["HS256"])
        keys.append(request.headers["idempotency-key"])
        if request.url.path.endswith("/complete"):
            return httpx.Response(200, json={})
        asked = httpx.Response(200, content=request.content).json()
        assert (claims["role"], claims["doctor_id"]) == ("doctor", asked["doctor_id"])
        if asked["patient_id"] in in_consultation:
            return httpx.Response(409, json={"code": "patient_in_consultation"})
        in_consultation.add(asked["patient_id"])
        return httpx.Response(201, json={"id": f"c{asked['appointment_id']}"})

    tally = (await driven(planned, answer, retries=1)).tally

    assert (tally.asked, tally.granted, tally.completed, tally.retried) == (4, 2, 2, 1)
    assert tally.refused == {"patient_in_consultation": 2}
    assert len(set(keys)) == len(keys) == 6
    assert not tally.errors


async def test_an_unknown_answer_is_asked_for_again_under_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patient_visit_engine.cli.replay.drive.BETWEEN", 0.0)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            return httpx.Response(503, json={"code": "undecided"})
        if len(keys) == 2:
            raise httpx.ReadError("the connection broke")
        return httpx.Response(201 if len(keys) == 3 else 200, json={"id": "c1"})

    tally = (await driven(a_plan(an_appointment(1)), answer)).tally

    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert (tally.asked, tally.granted, tally.undecided, tally.completed) == (1, 1, 2, 1)


async def test_answers_that_should_not_be_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patient_visit_engine.cli.replay.drive.BETWEEN", 0.0)
    planned = a_plan(an_appointment(1))

    broken = await driven(planned, lambda _request: httpx.Response(500, text="oh"))
    silent = await driven(planned, lambda _request: httpx.Response(503))

    assert broken.tally.errors == {"start 500 ": 1}
    assert silent.tally.errors == {"never answered": 1}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.95, 4), (0.99, 4)])
def test_percentiles_are_values_that_were_measured(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected
    assert percentile([], share) == 0


def test_tokens_are_signed_with_the_secret_that_up_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(OperatorError, match="VISIT_JWT_SECRET"):
        secret_of(settings)
    (tmp_path / "jwt.secret").write_text(SECRET)

    headers = Tokens(settings, secret_of(settings), {7: "Dr. Smith"}).doctor(7)

    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), SECRET, ["HS256"])
    assert claims["exp"] > time.time() + 3600
    assert {name: claims[name] for name in ("role", "doctor_id", "name")} == {
        "role": "doctor",
        "doctor_id": 7,
        "name": "Dr. Smith",
    }


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--within", "soon"], "--within"),
        (["--within", "0"], "--within"),
        (["--day", "yesterday"], "--day"),
        (["--day", "2020-01-01"], "no appointments on 2020-01-01"),
        (["--data", "nowhere.csv"], "No such file"),
        (["--url", "http://127.0.0.1:9", "--no-audit"], "nobody answers"),
    ],
)
def test_what_the_operator_can_set_right_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VISIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VISIT_JWT_SECRET", SECRET)

    result = CliRunner().invoke(build(), ["replay", *words])

    assert isinstance(result.exception, OperatorError), result.output
    assert why in str(result.exception)
    assert "\n" not in str(result.exception)


REAL = Path(os.environ.get("VISIT_TEST_DATA") or Path(__file__).parents[2].parent / "shared" / "data")


@pytest.mark.parametrize(
    ("path", "day", "starts", "races"),
    [
        ("noshow-vitoria/KaggleV2-May-2016.csv.gz", date(2016, 6, 6), 3_776, 1),
        ("mimic-iv-demo", None, 300, 20),
        ("hangu-consultations/Data.csv.gz", None, 20, 0),
    ],
)
def test_the_published_sets_have_a_day_to_replay(path: str, day: date | None, starts: int, races: int) -> None:
    if not (REAL / path).exists():
        pytest.skip(f"{path} is not here: set VISIT_TEST_DATA to the folder that holds it")

    planned = plan(catalogue.read(REAL / path)[0], None, TODAY, PARIS, 7)

    assert day in (None, planned.day)
    assert len(planned.steps) >= starts
    assert planned.races >= races
    assert max(planned.appointments) <= LARGEST_ID


GOOD = compare("supervisor", [3, 5], [3, 5])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"holds": False}, "the audit found the rule broken"),
        ({"heard": [GOOD, compare("doctor 7", [3], [3, 5])]}, "the event stream lost"),
        ({"tally": Tally(errors=Counter({"start 500 ": 1}))}, "requests failed"),
    ],
)
def test_a_replay_fails_when_anything_was_not_as_promised(changes: dict[str, Any], why: str) -> None:
    good = Result(tally=Tally(asked=2, granted=2), heard=[GOOD], published=2, holds=True, seconds=1.0)

    assert good.failures == []
    assert [failure for failure in replace(good, **changes).failures if failure.startswith(why)]
