"""One subject with so many connections, measured once: connect, weigh, tell both loads; it must not know which subject it is."""

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Any

from bench.fanout.dialogue import Dialogue
from bench.fanout.footprint import computed, resident, waited
from bench.fanout.hearing import Faults
from bench.fanout.subjects import Subject
from bench.processes import Processes

CONNECT_WITHIN = 120.0
#: What even the slowest subject delivers in a second, far below what any was seen to: a bound, not a measure.
SLOWEST = 4_000
#: Streams and events that are told and forgotten before anything is measured.
WARMING = 20
#: Seconds that a server is left alone before it is weighed.
SETTLE = 2.0


class NotVerifiedError(Exception):
    """Events that were missing, duplicate or reordered, or streams that did not open: the figures would mean nothing."""


@dataclass(frozen=True)
class Load:
    """So many events, one each `every` seconds, or back to back when that is 0."""

    name: str
    count: int
    every: float


@dataclass
class Heard:
    """One load: milliseconds from commit to receipt, and what it cost."""

    p50: float
    p99: float
    max: float
    deliveries: int
    per_second: float
    #: Seconds of computing.
    server: float
    client: float
    #: Seconds that the server was ready and had no core: what others on the machine took from it.
    waited: float
    #: The part of the time that the client computed.
    client_share: float
    faults: Faults

    @property
    def microseconds(self) -> float:
        """What the server computed for one delivery."""
        return 1e6 * self.server / self.deliveries


@dataclass
class Measured:
    """One subject at one number of connections: KiB of memory for each, and each load by its name."""

    kib: float
    heard: dict[str, Heard] = field(default_factory=dict)


class Stand:
    """The subject's server, the crowd and the publisher, and which number is the next to be told."""

    def __init__(self, subject: Subject, processes: Processes) -> None:
        self._subject = subject
        self._processes = processes
        command = [sys.executable, "-m", "bench.fanout.crowd"]
        self._crowd = Dialogue("crowd", processes.start("crowd", command, asked=True))
        self._publisher = subject.publisher(processes)
        self._next = 1

    @property
    def server(self) -> int:
        return self._processes.pid("server")

    def connect(self, count: int) -> None:
        """Open streams. Raises NotVerifiedError when one is refused."""
        asked = {"port": self._subject.port, "requests": self._subject.requests(count), "mark": self._subject.mark}
        told = self._crowd.ask(CONNECT_WITHIN + 10, do="connect", within=CONNECT_WITHIN, **asked)
        if "refused" in told:
            raise NotVerifiedError(f"{self._subject.name}: {told['refused']}")

    def hang_up(self) -> None:
        """Close all streams."""
        self._crowd.ask(CONNECT_WITHIN, do="close")

    def tell(self, load: Load, connections: int) -> Heard:
        """Tell the load's events and hear them all. Raises NotVerifiedError when one is missing, duplicate or reordered."""
        within = 30 + load.count * load.every + load.count * connections / SLOWEST
        first, self._next = self._next, self._next + load.count
        before, wait_before = computed(self.server), waited(self.server)
        self._crowd.ask(10, do="listen", first=first, count=load.count, within=within)
        self._publisher.say(first=first, count=load.count, every=load.every)
        committed: list[int] = self._publisher.hear(within)["committed"]
        heard = self._crowd.hear(within + 10)
        cost, wait = computed(self.server) - before, waited(self.server) - wait_before
        faults = Faults(**heard["faults"])
        if faults:
            raise NotVerifiedError(f"{self._subject.name}, {connections} connections, {load.name}: {faults}")
        judged: dict[str, Any] = self._crowd.ask(60, do="judge", committed=committed)
        return Heard(
            p50=judged["p50"],
            p99=judged["p99"],
            max=judged["max"],
            deliveries=judged["deliveries"],
            per_second=judged["deliveries"] / judged["seconds"],
            server=cost,
            client=heard["computed"],
            waited=wait,
            client_share=heard["computed"] / heard["seconds"],
            faults=faults,
        )


async def measure(kind: type[Subject], connections: int, loads: tuple[Load, ...]) -> Measured:
    """Start `kind` on nothing, measure it, and end it. Raises NotVerifiedError."""
    with tempfile.TemporaryDirectory(prefix="visit-fanout-") as folder:
        subject = kind(Path(folder))
        async with Processes(Path(folder)) as processes:
            try:
                subject.start(processes)
                return _measured(Stand(subject, processes), connections, loads)
            except Exception:
                print(processes.last_words(), file=sys.stderr)
                raise


def _measured(stand: Stand, connections: int, loads: tuple[Load, ...]) -> Measured:
    # The first streams and events pay for imports and compiled statements.
    stand.connect(WARMING)
    stand.tell(Load("warming", WARMING, 0.0), WARMING)
    stand.hang_up()
    sleep(SETTLE)
    before = resident(stand.server)
    stand.connect(connections)
    sleep(SETTLE)
    measured = Measured((resident(stand.server) - before) / connections)
    for load in loads:
        measured.heard[load.name] = stand.tell(load, connections)
    return measured
