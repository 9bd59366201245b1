"""That the stream's benchmark notices each missing, duplicate or reordered event, and says what it saw; it must not time anything."""

import os
import sys
from pathlib import Path

import pytest

from bench.fanout import figures
from bench.fanout.__main__ import arguments, main
from bench.fanout.dialogue import Dialogue
from bench.fanout.footprint import room
from bench.fanout.hearing import Faults, Hearing, Resuming
from bench.fanout.rounds import Heard, Load, Measured, NotVerifiedError, Stand, measure
from bench.fanout.soak import Sample, slope, soak
from bench.fanout.subjects import SUBJECTS, Engine, Subject
from bench.fanout.telling import an_event, as_text
from bench.processes import Processes
from patient_visit_engine.live.frames import encode

READERS = 20
LOADS = (Load("spaced", 3, 0.02), Load("back to back", 10, 0.0))
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def block(number: int) -> bytes:
    event = an_event(number)
    return encode(as_text(event), name=event.name, cursor=f"e-{number}")


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def heard(numbers: list[int], last: int) -> Faults:
    hearing = Hearing(1)
    hearing.feed(b"".join(map(block, numbers)))
    return hearing.faults(last)


def test_all_events_in_order_are_no_fault() -> None:
    assert not heard([1, 2, 3], last=3)


def test_an_event_that_does_not_come_is_missing() -> None:
    assert heard([1, 3], last=3) == Faults(missing=1)


def test_events_after_the_last_that_came_are_missing() -> None:
    assert heard([1], last=3) == Faults(missing=2)


def test_an_event_that_comes_again_is_a_duplicate() -> None:
    assert heard([1, 2, 2, 3, 1], last=3) == Faults(duplicate=2)


def test_an_event_after_a_later_one_is_reordered_and_not_missing() -> None:
    assert heard([1, 3, 2, 4], last=4) == Faults(reordered=1)


def test_an_event_cut_off_in_its_middle_is_missing() -> None:
    hearing = Hearing(1)
    hearing.feed(block(1) + block(2)[:-1])

    assert hearing.faults(2) == Faults(missing=1)


def test_an_event_whose_end_is_lost_is_missing_though_another_follows() -> None:
    hearing = Hearing(1)
    hearing.feed(block(1)[:-30] + block(2))

    assert hearing.faults(2) == Faults(missing=1)


@pytest.mark.parametrize("portion", [1, 2, 3, 7, 64, 701])
def test_frames_are_heard_once_wherever_they_are_split_and_chunked(portion: int) -> None:
    sent = HEAD + chunk(b"event: ready\ndata: {}\n\n")
    sent += b"".join(chunk(block(number)) for number in range(1, 20)) + chunk(block(20) + block(21))
    hearing = Hearing(1)

    numbers = [number for at in range(0, len(sent), portion) for number in hearing.feed(sent[at : at + portion])]

    assert numbers == list(range(1, 22))
    assert not hearing.faults(21)


def test_a_reader_comes_back_with_the_id_of_its_last_whole_block() -> None:
    hearing = Resuming(1)
    for number in (1, 2):
        hearing.feed(chunk(block(number)))
    hearing.feed(block(3)[:40])
    assert hearing.last_id == "e-2"

    hearing.begin_again()
    hearing.feed(HEAD + chunk(block(3)))

    assert hearing.last_id == "e-3"
    assert not hearing.faults(3)


@pytest.mark.parametrize("kind", SUBJECTS.values(), ids=SUBJECTS)
async def test_every_reader_of_each_subject_hears_every_event_once_and_in_order(kind: type[Subject]) -> None:
    if lacking := kind.lacks():
        pytest.skip(f"no {lacking}")

    measured = await measure(kind, READERS, LOADS)

    assert {name: (one.deliveries, one.faults) for name, one in measured.heard.items()} == {
        load.name: (load.count * READERS, Faults()) for load in LOADS
    }
    # A reader may hear of a commit before its writer does, when the writer's thread waits for a core: less than 0 for that one.
    assert all(one.p50 <= one.p99 <= one.max for one in measured.heard.values())
    assert max(one.max for one in measured.heard.values()) > 0


async def test_a_reader_whose_events_are_told_twice_ends_the_run(tmp_path: Path) -> None:
    subject = SUBJECTS["queues"](tmp_path)
    async with Processes(tmp_path) as processes:
        subject.start(processes)
        stand = Stand(subject, processes)
        stand.connect(2)
        command = [sys.executable, "-m", "bench.fanout.publisher", subject.url, *subject.posted_to()]
        other = Dialogue("other", processes.start("other", command, asked=True))
        other.ask(30, first=1_000, count=1, every=0.0)

        with pytest.raises(NotVerifiedError, match="queues, 2 connections, back to back"):
            stand.tell(LOADS[1], 2)


async def test_streams_that_are_refused_end_the_run(tmp_path: Path) -> None:
    subject = Engine(tmp_path)
    async with Processes(tmp_path) as processes:
        subject.start(processes)
        stand = Stand(subject, processes)
        subject.secret = "0" * 64

        with pytest.raises(NotVerifiedError, match="401"):
            stand.connect(2)


async def test_the_soak_verifies_what_its_readers_hear_and_prints_the_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await soak(READERS, minutes=0.03)

    printed = capsys.readouterr().out
    assert "20 readers, 1 of them stalled" in printed
    assert "Faults(missing=0, duplicate=0, reordered=0)" in printed
    assert "MiB" in printed
    assert "KiB a minute" in printed


def of(p99: float, kib: float = 10.0) -> Measured:
    load = Heard(1.0, p99, p99, 100, 1000.0, 0.1, 0.1, 0.0, 0.95, Faults())
    return Measured(kib, {one.name: load for one in LOADS})


def test_an_aim_is_judged_by_the_median_of_the_ratios_round_by_round() -> None:
    found = {
        "engine": {50: [of(10), of(30), of(10)]},
        "nchan": {50: [of(10), of(10), of(9)]},
        "queues": {50: [of(20), of(20), of(20)]},
    }
    lines, told = figures.figures([50], LOADS), figures.aims([50], LOADS)

    verdicts = figures.judged(found, lines, told)

    assert verdicts == [
        "met      50, spaced: p99 ms, engine/nchan <= 1.25: 1.11 (1.00 to 3.00)",
        "NOT met  50, spaced: p99 ms, queues/engine >= 8: 2.00 (0.67 to 2.00)",
        "met      50, back to back: deliveries/s, engine/nchan >= 0.5: 1.00 (1.00 to 1.00)",
        "met      50: KiB a connection, engine <= 20: 10.00 (10.00 to 10.00)",
    ]
    assert "the client was the bottleneck" in figures.client(found)[0]


def test_without_nchan_the_table_and_the_aims_do_without_it() -> None:
    found = {"engine": {50: [of(10)]}, "queues": {50: [of(90)]}}
    lines = figures.figures([50], LOADS)

    assert "engine/nchan" not in figures.table(found, lines)
    assert figures.judged(found, lines, figures.aims([50], LOADS))[:2] == [
        "not measured  50, spaced: p99 ms, engine/nchan <= 1.25",
        "met      50, spaced: p99 ms, queues/engine >= 8: 9.00 (9.00 to 9.00)",
    ]


def test_memory_that_grows_only_in_the_warm_up_is_flat() -> None:
    warming = [Sample(at, 100_000 + 500 * int(at)) for at in range(0, 30, 5)]

    assert slope([*warming, *(Sample(at, 115_000) for at in range(30, 105, 5))]).flat


def test_memory_that_goes_on_growing_is_not_flat() -> None:
    found = slope([Sample(at, 100_000 + 10 * at) for at in range(0, 605, 5)])

    assert found.kib_a_minute == pytest.approx(600)
    assert not found.flat


def test_more_connections_than_a_process_may_open_are_refused_with_the_number_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda _name: 1024)
    monkeypatch.setattr("sys.argv", ["bench.fanout", "--connections", "1000"])

    assert room(900) is None
    with pytest.raises(SystemExit, match="ulimit -n 1100"):
        main()


def test_a_load_needs_at_least_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--events", "0"])

    assert "from 1 to 20000" in capsys.readouterr().err
