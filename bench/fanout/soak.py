"""The engine alone for minutes on end, some of its readers stalled: whether its memory grows; it must not know why it would."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from time import monotonic, sleep

import httpx

from bench.fanout.dialogue import Dialogue
from bench.fanout.footprint import computed, resident
from bench.fanout.hearing import Faults
from bench.fanout.rounds import CONNECT_WITHIN, NotVerifiedError
from bench.fanout.subjects import Engine
from bench.processes import Processes
from patient_visit_engine.live.limits import DEFAULT_LIMITS

#: Seconds between two events, and between two looks at the memory.
EVERY = 0.2
LOOK_EVERY = 5.0
FEWEST = 20
SHOWN_EACH = 4
STALLED_SHARE = 0.01
FILLED_WITHIN = 120.0
#: Seconds that publisher and readers are given beyond the time asked for.
GRACE = 60.0
#: The part of the time in which memory may still grow: buffers of stalled readers fill, streams end and come back for the first time.
WARM_UP = 0.3
#: Memory is flat when it would grow by at most this part of itself in an hour of the same.
FLAT_AN_HOUR = 0.05


@dataclass(frozen=True)
class Sample:
    """Seconds since the events began, and the server's KiB."""

    at: float
    kib: int


@dataclass(frozen=True)
class Slope:
    """What the memory does after the warm-up."""

    kib_a_minute: float
    flat: bool


def slope(samples: list[Sample]) -> Slope:
    """A straight line through the samples after the warm-up."""
    settled = [one for one in samples if one.at >= WARM_UP * samples[-1].at]
    line = linear_regression([one.at for one in settled], [float(one.kib) for one in settled])
    mean = sum(one.kib for one in settled) / len(settled)
    return Slope(60 * line.slope, 3600 * line.slope <= FLAT_AN_HOUR * mean)


async def soak(connections: int, minutes: float) -> bool:
    """Print the memory over time; whether it is flat. Raises NotVerifiedError when a reader missed an event."""
    with tempfile.TemporaryDirectory(prefix="visit-fanout-") as folder:
        subject = Engine(Path(folder))
        async with Processes(Path(folder)) as processes:
            try:
                subject.start(processes)
                samples = _soaked(subject, processes, connections, minutes)
            except Exception:
                print(processes.last_words(), file=sys.stderr)
                raise
    found = slope(samples)
    verdict = "flat" if found.flat else "NOT flat"
    print(f"memory, after the first {WARM_UP:.0%} of the time: {found.kib_a_minute:+.1f} KiB a minute, {verdict}")
    return found.flat


def _soaked(subject: Engine, processes: Processes, connections: int, minutes: float) -> list[Sample]:
    publisher = subject.publisher(processes)
    command = [sys.executable, "-m", "bench.fanout.lasting"]
    readers = Dialogue("readers", processes.start("readers", command, asked=True))
    # The ring of newest events is memory that fills once: it is full before the first look.
    ring = DEFAULT_LIMITS.ring_frames
    publisher.ask(FILLED_WITHIN, first=1, count=ring, every=0.0)
    # A reader that comes before the server has handed out the last of them would be sent it.
    _until(lambda: _metric(subject.port, "visit_stream_events_total") >= ring, "the ring was not filled")
    first, count = ring + 1, max(1, round(60 * minutes / EVERY))
    stalled = max(1, round(STALLED_SHARE * connections))
    asked = {"port": subject.port, "requests": subject.requests(connections), "first": first, "stalled": stalled}
    readers.ask(CONNECT_WITHIN, do="connect", **asked)
    _until(lambda: _followed(subject.port, connections), "the readers did not all become live")
    print(
        f"{connections} readers, {stalled} of them stalled; an event each {EVERY:g} s for {minutes:g} min", flush=True
    )
    server = processes.pid("server")
    readers.ask(10, do="listen", last=first + count - 1, count=count, within=60 * minutes + GRACE)
    publisher.say(first=first, count=count, every=EVERY)
    samples = _watch(server, 60 * minutes)
    publisher.hear(GRACE)
    told = readers.hear(GRACE + 30)
    faults = Faults(**told["faults"])
    print(
        f"server {computed(server):.1f} CPU s; {told['came_back']} readers came back, the stalled {told['cut_off']} times; {faults}"
    )
    counted = ("visit_stream_dropped_total", "visit_stream_ended_total")
    print("\n".join(line for line in _metrics(subject.port) if line.startswith(counted)))
    if faults:
        raise NotVerifiedError(f"soak: {faults}")
    return samples


def _watch(server: int, seconds: float) -> list[Sample]:
    began = monotonic()
    samples = [Sample(0.0, resident(server))]
    while monotonic() - began < seconds:
        sleep(min(LOOK_EVERY, seconds / FEWEST))
        samples.append(Sample(monotonic() - began, resident(server)))
        if len(samples) % SHOWN_EACH == 0:
            print(f"{samples[-1].at:6.0f} s  {samples[-1].kib / 1024:7.2f} MiB", flush=True)
    return samples


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    end = monotonic() + FILLED_WITHIN
    while not holds():
        if monotonic() > end:
            raise NotVerifiedError(f"soak: {otherwise} within {FILLED_WITHIN:.0f} s")
        sleep(0.1)


def _followed(port: int, connections: int) -> bool:
    return _metric(port, "visit_stream_subscribers") >= connections and not _metric(port, "visit_stream_behind")


def _metrics(port: int) -> list[str]:
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()


def _metric(port: int, name: str) -> float:
    return next((float(line.split()[1]) for line in _metrics(port) if line.startswith(f"{name} ")), 0.0)
