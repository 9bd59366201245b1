"""The main benchmark: the floor keeps the rule, wrong databases fail the round, and the report has correct ratios."""

import sqlite3
from pathlib import Path

import pytest

from bench import report
from bench.__main__ import parse_arguments, run_round
from bench.database_check import check_database
from bench.floor import activity
from bench.floor.activity import Consultation, ConsultationLog
from bench.plan import Plan
from bench.systems import FloorSystem
from bench.workload import RoundResult
from patient_visit_engine.runtime import dev_server

SMALL_PLAN = Plan(count=2, pairs=4)


def build_result(milliseconds: float, pairs_per_second: float) -> RoundResult:
    call_seconds = {call: [milliseconds / 1000] * 3 for call in report.CALL_AIMS}
    return RoundResult(call_seconds, {"fresh patients": pairs_per_second}, {"worker": milliseconds / 1000})


@pytest.mark.skipif(not dev_server.executable().exists(), reason="Temporal server: not installed next to this Python")
async def test_floor_round_times_every_kind_of_call() -> None:
    result = await run_round(FloorSystem, SMALL_PLAN)

    counts = {call: len(seconds) for call, seconds in result.call_seconds.items()}
    assert counts == {
        "start, fresh patient": SMALL_PLAN.count,
        "start, known patient": SMALL_PLAN.count,
        "start, blocked": SMALL_PLAN.count,
        "complete": 2 * SMALL_PLAN.count,
    }
    assert set(result.pairs_per_second) == {"fresh patients", "known patients"}
    assert all(value > 0 for seconds in result.call_seconds.values() for value in seconds)


def test_ratios_are_taken_round_by_round() -> None:
    slow_machine = (build_result(20, 50), build_result(30, 40))
    fast_machine = (build_result(5, 200), build_result(6, 180))
    floor, engine = zip(slow_machine, fast_machine, strict=True)

    lines = {line.name: line for line in report.compare_rounds(floor, engine)}

    assert lines["complete, p50 ms"].ratios == pytest.approx((1.5, 1.2))
    assert lines["pairs/s, fresh patients"].ratios == pytest.approx((0.8, 0.9))
    assert lines["worker, CPU ms a pair"].ratios == pytest.approx((1.5, 1.2))


def test_table_shows_medians_spread_and_aim() -> None:
    engine = [build_result(11, 90), build_result(12, 80), build_result(14, 70)]
    lines = report.compare_rounds([build_result(10, 100)] * 3, engine)

    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in report.ratio_table(lines).splitlines()[2:]]

    by_name = {name: values for name, *values in cells}
    assert by_name["start, blocked, p50 ms"] == ["10.0", "12.0", "1.20", "1.10", "1.40", "<= 1.5"]
    assert by_name["pairs/s, fresh patients"] == ["100.0", "80.0", "0.80", "0.70", "0.90", ">= 0.75"]


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
