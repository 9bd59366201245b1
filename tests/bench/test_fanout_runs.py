"""Small runs of the stream's benchmark with real servers. Each verifies its deliveries and ends on a fault."""

from pathlib import Path

import pytest

from bench.fanout.endurance import run_endurance_test
from bench.fanout.json_pipe import JsonPipe
from bench.fanout.rounds import Load, LoadRunner, NotVerifiedError, measure_server
from bench.fanout.servers import SERVERS, EngineServer, EventServer, QueueServer
from bench.processes import ProcessGroup
from patient_visit_engine.cli.replay.delivery import Faults

SUBSCRIBERS = 20
SPACED = Load("spaced", 3, 0.02)
BACK_TO_BACK = Load("back to back", 10, 0.0)


@pytest.mark.parametrize("server_class", SERVERS.values(), ids=SERVERS)
async def test_delivers_every_event_once_and_in_order(server_class: type[EventServer]) -> None:
    if missing := server_class.missing_software():
        pytest.skip(f"no {missing}")

    result = await measure_server(server_class, SUBSCRIBERS, (SPACED, BACK_TO_BACK))

    assert {name: (load.deliveries, load.faults) for name, load in result.loads.items()} == {
        load.name: (load.count * SUBSCRIBERS, Faults()) for load in (SPACED, BACK_TO_BACK)
    }
    # A subscriber may receive an event before the writer sees its own commit, when the writer waits for a core. Such a
    # latency is below 0.
    assert all(load.p50 <= load.p99 <= load.max for load in result.loads.values())
    assert max(load.max for load in result.loads.values()) > 0


async def test_extra_event_ends_the_run(tmp_path: Path) -> None:
    server = QueueServer(tmp_path)
    async with ProcessGroup(tmp_path) as processes:
        server.start(processes)
        runner = LoadRunner(server, processes)
        runner.connect(2)
        second_process = processes.start("second publisher", server.publisher_command(), piped=True)
        second_publisher = JsonPipe("second publisher", second_process)
        second_publisher.request(30, first=1_000, count=1, every=0.0)

        with pytest.raises(NotVerifiedError, match="queues, 2 connections, back to back"):
            runner.run_load(BACK_TO_BACK, 2)


async def test_refused_streams_end_the_run(tmp_path: Path) -> None:
    server = EngineServer(tmp_path)
    async with ProcessGroup(tmp_path) as processes:
        server.start(processes)
        runner = LoadRunner(server, processes)
        server.secret = "0" * 64

        with pytest.raises(NotVerifiedError, match="401"):
            runner.connect(2)


@pytest.mark.long
async def test_endurance_run_verifies_and_prints_memory(capsys: pytest.CaptureFixture[str]) -> None:
    await run_endurance_test(SUBSCRIBERS, minutes=0.03)

    printed = capsys.readouterr().out
    assert "20 subscribers, 1 of them stalled" in printed
    assert "Faults(missing=0, duplicate=0, reordered=0)" in printed
    assert "MiB" in printed
    assert "KiB a minute" in printed
