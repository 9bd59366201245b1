"""One measurement of one server: connect the subscribers, read the server's memory, publish both loads."""

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Any

from bench.fanout.footprint import resident_kib, seconds_without_core, total_cpu_seconds
from bench.fanout.json_pipe import JsonPipe
from bench.fanout.servers import EventServer
from bench.processes import ProcessGroup
from patient_visit_engine.cli.replay.delivery import Faults

CONNECT_TIMEOUT = 120.0
#: Deliveries a second for the timeouts, far below what the slowest server reached.
SLOWEST_RATE = 4_000
#: Streams and events of the warm-up.
WARM_UP_COUNT = 20
#: Idle seconds before the server's memory is read.
SETTLE_SECONDS = 2.0


class NotVerifiedError(Exception):
    """An event was missing, duplicate or reordered, or a stream did not open. The figures would mean nothing."""


@dataclass(frozen=True)
class Load:
    """`count` events, one each `every` seconds. With 0 they come back to back."""

    name: str
    count: int
    every: float


@dataclass
class LoadResult:
    """The measurements of one load."""

    #: Milliseconds from commit to receipt.
    p50: float
    p99: float
    max: float
    deliveries: int
    deliveries_per_second: float
    server_cpu_seconds: float
    client_cpu_seconds: float
    #: Seconds in which the server was ready to run, but other processes used the cores.
    seconds_without_core: float
    #: The client's CPU time as a share (0 to 1) of the duration.
    client_cpu_share: float
    faults: Faults

    @property
    def cpu_microseconds_per_delivery(self) -> float:
        """The server's CPU time for one delivery."""
        return 1e6 * self.server_cpu_seconds / self.deliveries


@dataclass
class FanoutResult:
    """One server with one number of connections: KiB of memory for each connection, and each load by its name."""

    kib_per_connection: float
    loads: dict[str, LoadResult] = field(default_factory=dict)


class LoadRunner:
    """Runs loads on a started server, with its own subscribers and publisher. Event numbers continue across loads."""

    def __init__(self, server: EventServer, processes: ProcessGroup) -> None:
        self._server = server
        self._processes = processes
        command = [sys.executable, "-m", "bench.fanout.subscribers"]
        self._subscribers = JsonPipe("subscribers", processes.start("subscribers", command, piped=True))
        self._publisher = server.start_publisher(processes)
        self._next_number = 1

    @property
    def server_pid(self) -> int:
        return self._processes.pid("server")

    def connect(self, count: int) -> None:
        """Open streams. Raises `NotVerifiedError` when the server refuses one."""
        reply = self._subscribers.request(
            CONNECT_TIMEOUT + 10,
            do="connect",
            timeout=CONNECT_TIMEOUT,
            port=self._server.port,
            requests=self._server.stream_requests(count),
            mark=self._server.mark,
        )
        if "refused" in reply:
            raise NotVerifiedError(f"{self._server.name}: {reply['refused']}")

    def disconnect(self) -> None:
        """Close all streams."""
        self._subscribers.request(CONNECT_TIMEOUT, do="close")

    def run_load(self, load: Load, connections: int) -> LoadResult:
        """Publish the events of the load and measure their delivery.

        Raises `NotVerifiedError` when an event is missing, duplicate or reordered.
        """
        timeout = 30 + load.count * load.every + load.count * connections / SLOWEST_RATE
        first, self._next_number = self._next_number, self._next_number + load.count
        cpu_before, waited_before = total_cpu_seconds(self.server_pid), seconds_without_core(self.server_pid)
        self._subscribers.request(10, do="listen", first=first, count=load.count, timeout=timeout)
        self._publisher.send(first=first, count=load.count, every=load.every)
        committed: list[int] = self._publisher.receive(timeout)["committed"]
        received = self._subscribers.receive(timeout + 10)
        cpu_seconds = total_cpu_seconds(self.server_pid) - cpu_before
        waited_seconds = seconds_without_core(self.server_pid) - waited_before
        faults = Faults(**received["faults"])
        if faults:
            raise NotVerifiedError(f"{self._server.name}, {connections} connections, {load.name}: {faults}")
        latency: dict[str, Any] = self._subscribers.request(60, do="summarize_latency", committed=committed)
        return LoadResult(
            p50=latency["p50"],
            p99=latency["p99"],
            max=latency["max"],
            deliveries=latency["deliveries"],
            deliveries_per_second=latency["deliveries"] / latency["seconds"],
            server_cpu_seconds=cpu_seconds,
            client_cpu_seconds=received["cpu_seconds"],
            seconds_without_core=waited_seconds,
            client_cpu_share=received["cpu_seconds"] / received["seconds"],
            faults=faults,
        )


async def measure_server(server_class: type[EventServer], connections: int, loads: tuple[Load, ...]) -> FanoutResult:
    """Start a server in an empty folder, measure it and stop it. Raises `NotVerifiedError`."""
    with tempfile.TemporaryDirectory(prefix="visit-fanout-") as folder:
        server = server_class(Path(folder))
        async with ProcessGroup(Path(folder)) as processes:
            try:
                server.start(processes)
                return _run_loads(LoadRunner(server, processes), connections, loads)
            except Exception:
                print(processes.log_tails(), file=sys.stderr)
                raise


def _run_loads(runner: LoadRunner, connections: int, loads: tuple[Load, ...]) -> FanoutResult:
    # The first streams and events are slow: imports and compiled statements.
    runner.connect(WARM_UP_COUNT)
    runner.run_load(Load("warm-up", WARM_UP_COUNT, 0.0), WARM_UP_COUNT)
    runner.disconnect()
    sleep(SETTLE_SECONDS)
    kib_before = resident_kib(runner.server_pid)
    runner.connect(connections)
    sleep(SETTLE_SECONDS)
    result = FanoutResult((resident_kib(runner.server_pid) - kib_before) / connections)
    for load in loads:
        result.loads[load.name] = runner.run_load(load, connections)
    return result
