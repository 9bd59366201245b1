"""The endurance test: the engine alone for minutes, with some stalled subscribers. It shows whether the memory grows."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from time import monotonic, sleep
from typing import Any

import httpx

from bench.fanout.footprint import resident_kib, total_cpu_seconds
from bench.fanout.json_pipe import JsonPipe
from bench.fanout.rounds import CONNECT_TIMEOUT, NotVerifiedError
from bench.fanout.servers import EngineServer
from bench.processes import ProcessGroup
from patient_visit_engine.cli.replay.delivery import Faults
from patient_visit_engine.live.limits import DEFAULT_LIMITS

#: Seconds between two events.
EVENT_SECONDS = 0.2
#: Seconds between two samples of the memory.
SAMPLE_SECONDS = 5.0
#: The least number of samples in a short test.
MIN_SAMPLES = 20
#: One of so many samples is printed.
PRINT_EACH = 4
STALLED_SHARE = 0.01
PREPARE_TIMEOUT = 120.0
#: Seconds that publisher and subscribers get beyond the duration of the test.
EXTRA_SECONDS = 60.0
#: The share of the duration in which the memory may grow: buffers of stalled subscribers fill, and streams end and reconnect for the
#: first time.
WARM_UP_SHARE = 0.3
#: The memory is flat when it would grow by at most this share of itself in an hour.
MAX_GROWTH_PER_HOUR = 0.05


@dataclass(frozen=True)
class Sample:
    """The server's memory in KiB, `at` so many seconds after the start of the events."""

    at: float
    kib: int


@dataclass(frozen=True)
class Growth:
    """How the memory changes after the warm-up."""

    kib_per_minute: float
    is_flat: bool


def memory_growth(samples: list[Sample]) -> Growth:
    """Fit a straight line through the samples after the warm-up."""
    settled = [sample for sample in samples if sample.at >= WARM_UP_SHARE * samples[-1].at]
    line = linear_regression([sample.at for sample in settled], [float(sample.kib) for sample in settled])
    mean = sum(sample.kib for sample in settled) / len(settled)
    return Growth(60 * line.slope, 3600 * line.slope <= MAX_GROWTH_PER_HOUR * mean)


async def run_endurance_test(connections: int, minutes: float) -> bool:
    """Print the memory over time. Returns whether it is flat.

    Raises `NotVerifiedError` when a subscriber missed an event.
    """
    with tempfile.TemporaryDirectory(prefix="visit-fanout-") as folder:
        server = EngineServer(Path(folder))
        async with ProcessGroup(Path(folder)) as processes:
            try:
                server.start(processes)
                samples = EnduranceTest(server, processes, connections, minutes).run()
            except Exception:
                print(processes.log_tails(), file=sys.stderr)
                raise
    growth = memory_growth(samples)
    verdict = "flat" if growth.is_flat else "NOT flat"
    print(
        f"memory after the first {WARM_UP_SHARE:.0%} of the time: {growth.kib_per_minute:+.1f} KiB a minute, {verdict}"
    )
    return growth.is_flat


class EnduranceTest:
    """One run against a started server."""

    def __init__(self, server: EngineServer, processes: ProcessGroup, connections: int, minutes: float) -> None:
        self._server = server
        self._pid = processes.pid("server")
        self._connections = connections
        self._stalled = max(1, round(STALLED_SHARE * connections))
        self._seconds = 60 * minutes
        self._publisher = server.start_publisher(processes)
        command = [sys.executable, "-m", "bench.fanout.reconnecting"]
        self._subscribers = JsonPipe("subscribers", processes.start("subscribers", command, piped=True))

    def run(self) -> list[Sample]:
        """Fill the ring, connect the subscribers, publish events and sample the memory. Raises `NotVerifiedError`."""
        first = self._fill_ring() + 1
        self._connect(first)
        print(
            f"{self._connections} subscribers, {self._stalled} of them stalled; "
            f"an event each {EVENT_SECONDS:g} s for {self._seconds / 60:g} min",
            flush=True,
        )
        count = max(1, round(self._seconds / EVENT_SECONDS))
        timeout = self._seconds + EXTRA_SECONDS
        self._subscribers.request(10, do="listen", last=first + count - 1, count=count, timeout=timeout)
        self._publisher.send(first=first, count=count, every=EVENT_SECONDS)
        samples = self._sample_memory()
        self._publisher.receive(EXTRA_SECONDS)
        self._report(self._subscribers.receive(EXTRA_SECONDS + 30))
        return samples

    def _fill_ring(self) -> int:
        """Publish events until the ring is full, because its memory grows only once. Returns the last number."""
        size = DEFAULT_LIMITS.ring_frames
        self._publisher.request(PREPARE_TIMEOUT, first=1, count=size, every=0.0)
        # A subscriber that connects before the server has sent the last of these events would receive it.
        _wait_until(lambda: self._metric("visit_stream_events_total") >= size, "the ring was not full")
        return size

    def _connect(self, first: int) -> None:
        requests = self._server.stream_requests(self._connections)
        self._subscribers.request(
            CONNECT_TIMEOUT,
            do="connect",
            port=self._server.port,
            requests=requests,
            first=first,
            stalled=self._stalled,
        )
        _wait_until(self._all_live, "the subscribers were not all live")

    def _all_live(self) -> bool:
        enough = self._metric("visit_stream_subscribers") >= self._connections
        return enough and not self._metric("visit_stream_behind")

    def _sample_memory(self) -> list[Sample]:
        start = monotonic()
        samples = [Sample(0.0, resident_kib(self._pid))]
        while monotonic() - start < self._seconds:
            sleep(min(SAMPLE_SECONDS, self._seconds / MIN_SAMPLES))
            samples.append(Sample(monotonic() - start, resident_kib(self._pid)))
            if len(samples) % PRINT_EACH == 0:
                print(f"{samples[-1].at:6.0f} s  {samples[-1].kib / 1024:7.2f} MiB", flush=True)
        return samples

    def _report(self, received: dict[str, Any]) -> None:
        faults = Faults(**received["faults"])
        print(
            f"server {total_cpu_seconds(self._pid):.1f} CPU s; {received['reconnects']} reconnects of reading subscribers, "
            f"{received['stalled_reconnects']} of stalled ones; {faults}"
        )
        counters = ("visit_stream_dropped_total", "visit_stream_ended_total")
        print("\n".join(line for line in self._metric_lines() if line.startswith(counters)))
        if faults:
            raise NotVerifiedError(f"endurance test: {faults}")

    def _metric_lines(self) -> list[str]:
        return httpx.get(f"http://127.0.0.1:{self._server.port}/metrics").text.splitlines()

    def _metric(self, name: str) -> float:
        return next((float(line.split()[1]) for line in self._metric_lines() if line.startswith(f"{name} ")), 0.0)


def _wait_until(condition: Callable[[], bool], error: str) -> None:
    deadline = monotonic() + PREPARE_TIMEOUT
    while not condition():
        if monotonic() > deadline:
            raise NotVerifiedError(f"endurance test: {error} within {PREPARE_TIMEOUT:.0f} s")
        sleep(0.1)
