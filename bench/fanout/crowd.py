"""A process that holds thousands of connections and notes when each event comes; it must not know who sends.

`python -m bench.fanout.crowd`. One thread, one epoll, no collector of garbage: what it costs must not look like the server's.
The moment of an event is that of the `recv` that completed it, one moment for each `recv`.
"""

import gc
import select
import socket
from array import array
from time import monotonic, monotonic_ns, process_time

from bench.fanout.dialogue import Message, answer, asked
from bench.fanout.hearing import Faults, Hearing
from bench.report import percentile

#: Connections that are opened at the same time.
WAVE = 200
PORTION = 1 << 16
#: Seconds after the last event that was due, in which one too many would still be noticed.
LINGER = 0.3
GRANTED = b"HTTP/1.1 200 "


class RefusedError(Exception):
    """A connection that was not opened, or closed before its time."""


class Crowd:
    """Connections to one server."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._hearings: dict[int, Hearing] = {}
        self._numbers = array("q")
        self._times = array("q")
        self._first = 1

    def connect(self, port: int, requests: list[str], mark: str, within: float) -> None:
        """Open a connection for each request, and wait until each has been sent `mark`. Raises RefusedError."""
        end = monotonic() + within
        for start in range(0, len(requests), WAVE):
            opening: dict[int, bytes] = {}
            for request in requests[start : start + WAVE]:
                one = socket.create_connection(("127.0.0.1", port), within)
                one.settimeout(0)
                one.sendall(request.encode())
                self._poll.register(one.fileno(), select.EPOLLIN)
                self._sockets[one.fileno()] = one
                opening[one.fileno()] = b""
            self._open(opening, mark.encode(), end)

    def _open(self, opening: dict[int, bytes], mark: bytes, end: float) -> None:
        while opening:
            if monotonic() > end:
                raise RefusedError(f"{len(opening)} connections were not opened in time")
            for descriptor, _ in self._poll.poll(1.0):
                if descriptor not in opening:
                    self._sockets[descriptor].recv(PORTION)
                    continue
                opening[descriptor] += self._sockets[descriptor].recv(PORTION)
                told = opening[descriptor]
                if not told or (len(told) >= len(GRANTED) and not told.startswith(GRANTED)):
                    raise RefusedError(f"a connection was answered {told[:80]!r}")
                if mark in told:
                    del opening[descriptor]

    def listen(self, first: int, count: int, within: float) -> Message:
        """Read until each connection has been sent `count` events, or the time is over."""
        self._first = first
        self._hearings = {descriptor: Hearing(first) for descriptor in self._sockets}
        self._numbers, self._times = array("q"), array("q")
        due = count * len(self._sockets)
        end = monotonic() + within
        began, computed = monotonic(), process_time()
        self._hear(due, end)
        seconds, computed = monotonic() - began, process_time() - computed
        self._hear(due + 1, monotonic() + LINGER)
        faults = Faults()
        for hearing in self._hearings.values():
            faults.add(hearing.faults(first + count - 1))
        return {"faults": vars(faults), "seconds": seconds, "computed": computed}

    def _hear(self, due: int, end: float) -> None:
        numbers, times, hearings, sockets = self._numbers, self._times, self._hearings, self._sockets
        while len(numbers) < due and (left := end - monotonic()) > 0:
            for descriptor, _ in self._poll.poll(min(left, 1.0)):
                try:
                    portion = sockets[descriptor].recv(PORTION)
                except OSError:
                    portion = b""
                now = monotonic_ns()
                if not portion:
                    # What it does not get any more will be missing.
                    self._poll.unregister(descriptor)
                    continue
                for number in hearings[descriptor].feed(portion):
                    numbers.append(number)
                    times.append(now)

    def judge(self, committed: list[int]) -> Message:
        """From commit to receipt, in milliseconds, and from the first commit to the last receipt, in seconds."""
        first = self._first
        pairs = zip(self._numbers, self._times, strict=True)
        latencies = sorted(at - committed[number - first] for number, at in pairs)
        return {
            "p50": percentile(latencies, 0.50) / 1e6,
            "p99": percentile(latencies, 0.99) / 1e6,
            "max": latencies[-1] / 1e6,
            "deliveries": len(latencies),
            "seconds": (max(self._times) - committed[0]) / 1e9,
        }

    def close(self) -> None:
        """Hang up on all connections."""
        for one in self._sockets.values():
            one.close()
        self._sockets.clear()
        self._poll.close()
        self._poll = select.epoll()


def main() -> None:
    """Connect, listen and judge for the benchmark that started this."""
    gc.disable()
    crowd = Crowd()
    for message in asked():
        match message.pop("do"):
            case "connect":
                try:
                    crowd.connect(**message)
                except (RefusedError, OSError) as refused:
                    answer(refused=f"{type(refused).__name__}: {refused}")
                else:
                    answer(connected=True)
            case "listen":
                answer(listening=True)
                answer(**crowd.listen(**message))
            case "judge":
                answer(**crowd.judge(**message))
            case _:
                crowd.close()
                answer(closed=True)


if __name__ == "__main__":
    main()
