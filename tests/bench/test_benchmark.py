"""That the benchmark's floor keeps the rule and its report says what was measured; it must not time anything."""

import sqlite3
from pathlib import Path

import pytest

from bench import report
from bench.__main__ import arguments, one_round
from bench.floor import activity as floor
from bench.floor.activity import Consultation, Log
from bench.plan import Plan
from bench.subjects import Floor, audit
from bench.workload import Measured
from patient_visit_engine.runtime import dev_server

TINY = Plan(count=2, pairs=4)


def a_round(milliseconds: float, pairs_per_second: float) -> Measured:
    seconds = {what: [milliseconds / 1000] * 3 for what in report.AIMS}
    return Measured(seconds, {"fresh patients": pairs_per_second}, {"worker": milliseconds / 1000})


@pytest.mark.skipif(not dev_server.executable().exists(), reason="no Temporal server beside this Python")
async def test_a_round_on_the_floor_keeps_the_rule_and_times_every_kind_of_call() -> None:
    measured = await one_round(Floor, TINY)

    counted = {what: len(seconds) for what, seconds in measured.seconds.items()}
    assert counted == {
        "start, fresh patient": TINY.count,
        "start, known patient": TINY.count,
        "start, blocked": TINY.count,
        "complete": 2 * TINY.count,
    }
    assert set(measured.pairs_per_second) == {"fresh patients", "known patients"}
    assert all(seconds > 0 for calls in measured.seconds.values() for seconds in calls)


def test_the_ratios_are_taken_round_by_round() -> None:
    slow_machine, fast_machine = (a_round(20, 50), a_round(30, 40)), (a_round(5, 200), a_round(6, 180))

    lines = {line.name: line for line in report.compare(*zip(slow_machine, fast_machine, strict=True))}

    assert lines["complete, p50 ms"].ratios == pytest.approx((1.5, 1.2))
    assert lines["pairs/s, fresh patients"].ratios == pytest.approx((0.8, 0.9))
    assert lines["worker, CPU ms a pair"].ratios == pytest.approx((1.5, 1.2))


def test_the_table_shows_medians_spread_and_aim() -> None:
    lines = report.compare([a_round(10, 100)] * 3, [a_round(11, 90), a_round(12, 80), a_round(14, 70)])

    shown = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]] for row in _rows(lines)}

    assert shown["start, blocked, p50 ms"] == ["10.0", "12.0", "1.20", "1.10", "1.40", "<= 1.5"]
    assert shown["pairs/s, fresh patients"] == ["100.0", "80.0", "0.80", "0.70", "0.90", ">= 0.75"]


def _rows(lines: list[report.Line]) -> list[str]:
    return report.table(lines).splitlines()[2:]


def test_the_ninety_ninth_of_a_hundred_calls_is_the_99th_percentile() -> None:
    assert report.percentile(range(1, 101), 0.99) == 99
    assert report.percentile([7.0], 0.5) == 7.0


def test_a_patient_in_two_consultations_fails_the_round(tmp_path: Path) -> None:
    subject = Floor(tmp_path)
    subject.prepare(TINY)
    with sqlite3.connect(subject.file) as connection:
        for seq, (patient_id, consultation_id) in enumerate([(1, "a"), (2, "b"), (1, "c")], 1):
            event = (seq, "consultation.started", patient_id, consultation_id, "{}")
            connection.execute(floor.APPEND, event)
    connection.close()

    wrong = audit(subject, TINY)

    assert "patient 1 was in two consultations at position 3" in wrong
    assert f"0 consultations completed, not {TINY.completed}" in wrong


async def test_the_floors_database_alone_lets_only_one_of_two_doctors_in(tmp_path: Path) -> None:
    subject = Floor(tmp_path)
    subject.prepare(TINY)
    log = Log(subject.file)

    first = await log.start(Consultation("1-1", patient_id=1, doctor_id=7, appointment_id=1))
    second = await log.start(Consultation("1-2", patient_id=1, doctor_id=8, appointment_id=2))
    await log.complete(first)
    third = await log.start(Consultation("1-2", patient_id=1, doctor_id=8, appointment_id=2))
    log.close()

    assert (first.doctor_id, second.doctor_id, third.doctor_id) == (7, 7, 8)


def test_a_round_needs_at_least_one_patient(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--count", "0"])

    assert "from 1 to 10000" in capsys.readouterr().err
