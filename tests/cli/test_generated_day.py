"""The generated day: who comes, what staff do, and how the calls are sent."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from random import Random

import httpx
import pytest

from patient_visit_engine.cli.replay.driver import Pace
from patient_visit_engine.cli.replay.generated_day import DayOptions, Story, draw_day, draw_lateness, draw_length
from patient_visit_engine.cli.replay.generated_plan import build_generated_plan
from patient_visit_engine.cli.replay.lost_patients import find_lost_patients
from patient_visit_engine.cli.replay.plan import ReplayPlan
from patient_visit_engine.cli.replay.request_sender import RequestSender
from patient_visit_engine.cli.replay.staff_actions import CALLS
from patient_visit_engine.cli.replay.staff_driver import StaffDriver
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.visit.codes import Role
from tests.support.recorded_days import PARIS, TODAY
from tests.support.simple_clinic import SimpleClinic

SECRET = "a secret of the tests, long enough for HS256"
DEFAULT, SMALLEST = DayOptions(), DayOptions(doctors=4, desks=1, patients=30)


def generated(options: DayOptions = DEFAULT) -> ReplayPlan:
    return build_generated_plan(options, TODAY, PARIS, 7)


def test_same_seed_gives_same_day() -> None:
    assert generated() == generated()
    assert generated() != generated(DayOptions(seed=2))


@pytest.mark.parametrize("options", [DEFAULT, SMALLEST, DayOptions(doctors=100, desks=20, patients=900)])
def test_day_has_its_size_and_every_command(options: DayOptions) -> None:
    plan = generated(options)

    walk_ins = [action for action in plan.actions if action.command == "walk in as new patient"]
    assert len(plan.doctors) == options.doctors
    assert len(plan.patients) + len(walk_ins) == options.patients
    assert {action.command for action in plan.actions} == set(CALLS)
    assert {action.staff.number for action in plan.actions if action.staff.role is Role.reception} == set(
        range(1, options.desks + 1)
    )


# On day 246 a patient is checked out by mistake while the doctor hands over.
@pytest.mark.parametrize("seed", [*range(8), 246])
@pytest.mark.parametrize(
    "size", [DEFAULT, SMALLEST, DayOptions(doctors=4, patients=90), DayOptions(doctors=100, patients=30)]
)
def test_every_call_is_possible(size: DayOptions, seed: int) -> None:
    plan = generated(replace(size, seed=seed))
    clinic = SimpleClinic(plan)

    for action in plan.actions:
        clinic.carry_out(action)

    assert set(clinic.states.values()) == {"done", "left", "canceled"}
    assert clinic.refused > 0
    assert [action.at for action in plan.actions] == sorted(action.at for action in plan.actions)


def test_numbers_are_those_of_their_sources() -> None:
    draw = Random(1)
    lateness = [draw_lateness(draw) / 60 for _ in range(20_000)]
    lengths = sorted(draw_length(draw) for _ in range(20_000))
    patients = draw_day(DayOptions(patients=900)).patients
    booked = [patient for patient in patients if not patient.is_walk_in]
    stories = Counter(patient.story for patient in booked)

    assert sum(minutes > 0 for minutes in lateness) / 20_000 == pytest.approx(0.051, abs=0.005)
    assert sum(minutes < -30 for minutes in lateness) / 20_000 == pytest.approx(0.15, abs=0.01)
    assert sorted(lateness)[10_000] == pytest.approx(-15, abs=0.5)
    assert lengths[10_000] == pytest.approx(725, abs=20)
    assert stories[Story.no_show] / len(booked) == pytest.approx(0.095, abs=0.001)
    assert stories[Story.lab_trip] / len(booked) == pytest.approx(0.0525, abs=0.001)
    failed = stories[Story.no_show] + stories[Story.canceled]
    assert (len(patients) - len(booked)) / failed == pytest.approx(0.61, abs=0.01)


class FakeSystem:
    """Answers each call of the plan after a moment. `refusals` are the codes of refused calls, by the end of their path."""

    def __init__(self, plan: ReplayPlan, refusals: dict[str, str] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        #: The appointment that every doctor calls, instead of the planned one.
        self.called: int | None = None
        self._plan = plan
        self._refusals = refusals or {}

    async def answer(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        self.requests.append(request)
        for path_end, code in self._refusals.items():
            if request.url.path.endswith(path_end):
                return httpx.Response(409, json={"code": code})
        action = self._plan.actions[int(request.headers["idempotency-key"].rpartition("-")[2])]
        if request.url.path == "/api/walk-ins":
            return httpx.Response(201, json={"patient_id": 5, "appointment_id": action.appointment})
        if request.url.path.endswith("/call-next"):
            return httpx.Response(200, json={"patient_id": 5, "appointment_id": self.called or action.appointment})
        return httpx.Response(200, json={"id": f"c{len(self.requests)}"})


async def run_plan(plan: ReplayPlan, system: FakeSystem) -> ReplayTally:
    tokens = Tokens(Settings(), SECRET, {doctor: name for doctor, (name, _) in plan.doctors.items()})
    tally = ReplayTally()
    async with httpx.AsyncClient(transport=httpx.MockTransport(system.answer), base_url="http://visits.test") as client:
        sender = RequestSender(client, tally, 64)
        await StaffDriver(sender, tokens, plan, Pace(1e6, 64, 0, 0.0), 7, tally).run_actions(lambda _tally: None)
    return tally


async def test_sends_every_call_once() -> None:
    plan = generated()
    system = FakeSystem(plan)

    tally = await run_plan(plan, system)

    keys = [request.headers["idempotency-key"] for request in system.requests]
    assert len(keys) == len(set(keys)) == len(plan.actions)
    assert tally.commands == Counter(action.command for action in plan.actions)
    assert (tally.skipped, tally.errors, tally.refused) == (0, Counter(), Counter())


async def test_each_person_acts_in_order() -> None:
    plan = generated()
    system = FakeSystem(plan)

    await run_plan(plan, system)

    sent = [int(request.headers["idempotency-key"].rpartition("-")[2]) for request in system.requests]
    places = {number: place for place, number in enumerate(sent)}
    last_places: dict[tuple[str, int], int] = {}
    for number, action in enumerate(plan.actions):
        for person in action.people():
            assert places[number] > last_places.get(person, -1), action
            last_places[person] = places[number]
    assert sent != sorted(sent), "different people act at the same time"


async def test_refused_start_skips_what_depends_on_it() -> None:
    plan = generated(SMALLEST)

    tally = await run_plan(plan, FakeSystem(plan, {"/consultations": "appointment_closed"}))

    starts = sum(action.command == "start" for action in plan.actions)
    assert tally.refused == {"appointment_closed": starts}
    assert tally.skipped == sum("{consultation_id}" in CALLS[action.command].path for action in plan.actions)


async def test_call_of_another_patient_is_an_error() -> None:
    plan = generated(SMALLEST)
    system = FakeSystem(plan)
    system.called = 99

    tally = await run_plan(plan, system)

    calls = sum(action.command == "call next" for action in plan.actions)
    assert tally.errors == {"call next: another patient": calls}


async def test_new_patient_is_known_by_the_answer() -> None:
    plan = generated(SMALLEST)
    system = FakeSystem(plan)

    await run_plan(plan, system)

    bodies = [json.loads(request.content) for request in system.requests if request.url.path == "/api/walk-ins"]
    [new] = [body for body in bodies if "patient" in body]
    assert set(new) == {"patient", "doctor_id", "prestation_id", "priority"}
    starts = [json.loads(request.content) for request in system.requests if request.url.path == "/api/consultations"]
    assert any(body["patient_id"] == 5 for body in starts)


@pytest.mark.parametrize(
    ("outcomes", "is_on_board", "is_lost"),
    [
        ([], False, False),
        (["mistaken"], False, False),
        (["mistaken", None], False, True),
        (["released"], False, True),
        (["released"], True, False),
        (["released", "done"], False, False),
        (["left"], False, False),
    ],
)
async def test_finds_lost_patients(outcomes: list[str | None], is_on_board: bool, is_lost: bool) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/board":
            items = [{"patient_id": 5}] if is_on_board else []
            return httpx.Response(200, json={"items": items, "total": len(items)})
        assert request.url.path == "/api/patients/5/trackings"
        return httpx.Response(200, json={"items": [{"outcome": outcome} for outcome in outcomes]})

    tally = ReplayTally()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        lost = await find_lost_patients(RequestSender(client, tally, 1), Tokens(Settings(), SECRET, {}), [5])

    assert lost == ([5] if is_lost else [])
    assert not tally.errors


async def test_unread_board_is_an_error() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, json={"code": "internal"})

    tally = ReplayTally()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        await find_lost_patients(RequestSender(client, tally, 1), Tokens(Settings(), SECRET, {}), [5])

    assert tally.errors.total() == 2
