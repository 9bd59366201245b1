"""The main benchmark: the floor keeps the rule, wrong databases fail the round, and the report has correct ratios."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import report
from bench.__main__ import parse_arguments, run_round
from bench.database_check import check_database
from bench.floor import activity
from bench.floor.activity import Consultation, ConsultationLog
from bench.plan import Plan
from bench.systems import EngineSystem, FloorSystem, System
from bench.workload import RoundResult
from patient_visit_engine.runtime import dev_server
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.due_appointments import find_due_appointments
from patient_visit_engine.worker.opening_choice import OpeningChoice

SMALL_PLAN = Plan(count=2, pairs=4)


def build_result(milliseconds: float, pairs_per_second: float) -> RoundResult:
    call_seconds = {call: [milliseconds / 1000] * 3 for call in report.CALL_AIMS}
    return RoundResult(call_seconds, {"known patients": pairs_per_second}, {"worker": milliseconds / 1000})


@pytest.mark.skipif(not dev_server.executable().exists(), reason="Temporal server: not installed next to this Python")
@pytest.mark.parametrize(
    ("system_class", "opening"),
    [
        (FloorSystem, set()),
        pytest.param(EngineSystem, {"server", "worker", "api", "opener"}, marks=pytest.mark.long),
    ],
)
async def test_round_times_every_kind_of_call(system_class: type[System], opening: set[str]) -> None:
    result = await run_round(system_class, SMALL_PLAN)

    counts = {call: len(seconds) for call, seconds in result.call_seconds.items()}
    assert counts == {
        "start, opened ahead": SMALL_PLAN.count,
        "start, fresh patient": SMALL_PLAN.count,
        "start, known patient": SMALL_PLAN.count,
        "start, blocked": SMALL_PLAN.count,
        "complete": 3 * SMALL_PLAN.count,
    }
    assert set(result.pairs_per_second) == {"opened ahead", "fresh patients", "known patients"}
    assert all(value > 0 for seconds in result.call_seconds.values() for value in seconds)
    assert set(result.cpu_seconds_per_opening) == opening


async def test_only_planned_appointments_are_due(tmp_path: Path) -> None:
    system = EngineSystem(tmp_path)
    await asyncio.to_thread(system.create_database, SMALL_PLAN)
    database = Database(system.settings.effective_database_url)
    period = OpeningChoice(system.settings.calendar, system.settings.open_ahead).find_period(datetime.now(UTC))
    assert period is not None

    due = await database.read(find_due_appointments, *period, None, 1_000)
    await database.close()

    planned = {appointment.id for appointment in SMALL_PLAN.opened_ahead()}
    assert {appointment.id for appointment in due} == planned
    assert len({appointment.patient_id for appointment in due}) == SMALL_PLAN.count + SMALL_PLAN.pairs


def test_run_without_options_has_five_rounds() -> None:
    assert parse_arguments([]).rounds == 5


def test_openings_are_reported_as_medians() -> None:
    rounds = [RoundResult(cpu_seconds_per_opening={"server": cost, "worker": 0.002}) for cost in (0.01, 0.03, 0.02)]

    assert report.describe_openings(rounds) == "opening a visit ahead, CPU ms: server 20.0, worker 2.0"


@pytest.mark.parametrize(
    ("figure", "aim"),
    [
        ("start, opened ahead, p50 ms", "<= 0.80"),
        ("start, fresh patient, p50 ms", "<= 0.95"),
        ("complete, p99 ms", "<= 1.0"),
        ("pairs/s, opened ahead", ">= 1.0"),
        ("pairs/s, known patients", ">= 0.85"),
        ("pairs/s, fresh patients", ""),
        ("worker, CPU ms a pair", "<= 1.25"),
        ("api, CPU ms a pair", "<= 1.6"),
        ("server, CPU ms a pair", ""),
    ],
)
def test_each_figure_has_its_aim(figure: str, aim: str) -> None:
    pairs = dict.fromkeys(("opened ahead", "fresh patients", "known patients"), 50.0)
    processes = dict.fromkeys(("server", "worker", "api"), 0.01)
    result = RoundResult({call: [0.02] for call in report.CALL_AIMS}, pairs, processes)

    aims = {line.name: line.aim for line in report.compare_rounds([result], [result])}

    assert aims[figure] == aim


def test_ratios_are_taken_round_by_round() -> None:
    slow_machine = (build_result(20, 50), build_result(30, 40))
    fast_machine = (build_result(5, 200), build_result(6, 180))
    floor, engine = zip(slow_machine, fast_machine, strict=True)

    lines = {line.name: line for line in report.compare_rounds(floor, engine)}

    assert lines["complete, p50 ms"].ratios == pytest.approx((1.5, 1.2))
    assert lines["pairs/s, known patients"].ratios == pytest.approx((0.8, 0.9))
    assert lines["worker, CPU ms a pair"].ratios == pytest.approx((1.5, 1.2))


def test_table_shows_medians_spread_and_aim() -> None:
    engine = [build_result(11, 90), build_result(12, 80), build_result(14, 70)]
    lines = report.compare_rounds([build_result(10, 100)] * 3, engine)

    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in report.ratio_table(lines).splitlines()[2:]]

    by_name = {name: values for name, *values in cells}
    assert by_name["start, blocked, p50 ms"] == ["10.0", "12.0", "1.20", "1.10", "1.40", "<= 0.95"]
    assert by_name["pairs/s, known patients"] == ["100.0", "80.0", "0.80", "0.70", "0.90", ">= 0.85"]


def test_percentile_99_of_100_calls_is_the_99th() -> None:
    assert report.percentile(range(1, 101), 0.99) == 99
    assert report.percentile([7.0], 0.5) == 7.0


def test_patient_in_two_consultations_is_an_error(tmp_path: Path) -> None:
    system = FloorSystem(tmp_path)
    system.create_database(SMALL_PLAN)
    with sqlite3.connect(system.database_file) as connection:
        for seq, (patient_id, consultation_id) in enumerate([(1, "a"), (2, "b"), (1, "c")], 1):
            event = (seq, "consultation.started", patient_id, consultation_id, "{}")
            connection.execute(activity.APPEND, event)
    connection.close()

    errors = check_database(system, SMALL_PLAN)

    assert "patient 1 was in two consultations at position 3" in errors
    assert f"0 consultations completed, not {SMALL_PLAN.completed}" in errors


async def test_floor_database_refuses_second_doctor(tmp_path: Path) -> None:
    system = FloorSystem(tmp_path)
    system.create_database(SMALL_PLAN)
    log = ConsultationLog(system.database_file)

    first = await log.start(Consultation("1-1", patient_id=1, doctor_id=7, appointment_id=1))
    refused = await log.start(Consultation("1-2", patient_id=1, doctor_id=8, appointment_id=2))
    await log.complete(first)
    after_completion = await log.start(Consultation("1-2", patient_id=1, doctor_id=8, appointment_id=2))
    log.close()

    assert (first.doctor_id, refused.doctor_id, after_completion.doctor_id) == (7, 7, 8)


def test_rejects_a_round_without_patients(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--count", "0"])

    assert "from 1 to 10000" in capsys.readouterr().err
