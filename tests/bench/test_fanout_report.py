"""The report of the stream's benchmark: aims, memory growth, limits and options."""

import os

import pytest

from bench.fanout import figures
from bench.fanout.__main__ import main, parse_arguments
from bench.fanout.endurance import Sample, memory_growth
from bench.fanout.footprint import open_file_limit_error
from bench.fanout.rounds import FanoutResult, Load, LoadResult
from patient_visit_engine.cli.replay.delivery import Faults

LOADS = (Load("spaced", 3, 0.02), Load("back to back", 10, 0.0))


def build_result(p99: float, kib: float = 10.0) -> FanoutResult:
    load_result = LoadResult(1.0, p99, p99, 100, 1000.0, 0.1, 0.1, 0.0, 0.95, Faults())
    return FanoutResult(kib, {load.name: load_result for load in LOADS})


def test_median_of_round_ratios_decides_an_aim() -> None:
    results = {
        "engine": {50: [build_result(10), build_result(30), build_result(10)]},
        "nchan": {50: [build_result(10), build_result(10), build_result(9)]},
        "queues": {50: [build_result(20), build_result(20), build_result(20)]},
    }
    listed, aims = figures.list_figures([50], LOADS), figures.list_aims([50], LOADS)

    lines = figures.compare_with_aims(results, listed, aims)

    assert lines == [
        "met      50, spaced: p99 ms, engine/nchan <= 1.25: 1.11 (1.00 to 3.00)",
        "NOT met  50, spaced: p99 ms, queues/engine >= 8: 2.00 (0.67 to 2.00)",
        "met      50, back to back: deliveries/s, engine/nchan >= 0.5: 1.00 (1.00 to 1.00)",
        "met      50: KiB a connection, engine <= 20: 10.00 (10.00 to 10.00)",
    ]
    assert "the client was the bottleneck" in figures.client_costs(results)[0]


def test_report_works_without_nchan() -> None:
    results = {"engine": {50: [build_result(10)]}, "queues": {50: [build_result(90)]}}
    listed, aims = figures.list_figures([50], LOADS), figures.list_aims([50], LOADS)

    table = figures.results_table(results, listed)
    lines = figures.compare_with_aims(results, listed, aims)

    assert "engine/nchan" not in table
    assert lines[:2] == [
        "not measured  50, spaced: p99 ms, engine/nchan <= 1.25",
        "met      50, spaced: p99 ms, queues/engine >= 8: 9.00 (9.00 to 9.00)",
    ]


def test_memory_growing_only_in_warm_up_is_flat() -> None:
    warm_up = [Sample(at, 100_000 + 500 * int(at)) for at in range(0, 30, 5)]
    settled = [Sample(at, 115_000) for at in range(30, 105, 5)]

    growth = memory_growth(warm_up + settled)

    assert growth.is_flat


def test_memory_that_keeps_growing_is_not_flat() -> None:
    growth = memory_growth([Sample(at, 100_000 + 10 * at) for at in range(0, 605, 5)])

    assert growth.kib_per_minute == pytest.approx(600)
    assert not growth.is_flat


def test_too_many_connections_name_the_ulimit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda _name: 1024)
    monkeypatch.setattr("sys.argv", ["bench.fanout", "--connections", "1000"])

    assert open_file_limit_error(900) is None
    with pytest.raises(SystemExit, match="ulimit -n 1100"):
        main()


def test_rejects_a_load_without_events(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--events", "0"])

    assert "from 1 to 20000" in capsys.readouterr().err
