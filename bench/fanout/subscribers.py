"""A process with thousands of stream connections that notes when each event arrives.

`python -m bench.fanout.subscribers`. It has one thread, one epoll and no garbage collection, so that its own delays do not look like
the server's. An event arrives with the `recv` that completes it. All events of one `recv` have the same time.
"""

import gc
import select
import socket
from array import array
from time import monotonic, monotonic_ns, process_time

from bench.fanout.json_pipe import Message, read_requests, send_reply
from bench.fanout.stream_check import StreamCheck
from bench.report import percentile
from patient_visit_engine.cli.replay.delivery import Faults

#: How many connections are opened at the same time.
CONNECT_BATCH = 200
CHUNK_BYTES = 1 << 16
#: Seconds after the last expected event in which a duplicate is still noticed.
DUPLICATE_WAIT = 0.3
STATUS_OK = b"HTTP/1.1 200 "


class StreamRefusedError(Exception):
    """The server did not open a stream, or closed it too early."""


class Subscribers:
    """The stream connections to one server."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._checks: dict[int, StreamCheck] = {}
        self._numbers = array("q")
        self._times = array("q")
        self._first = 1

    def connect(self, port: int, requests: list[str], mark: str, timeout: float) -> None:
        """Open one connection per request, and wait until each has received `mark`.

        Raises `StreamRefusedError`, also after `timeout` seconds.
        """
        deadline = monotonic() + timeout
        for start in range(0, len(requests), CONNECT_BATCH):
            received: dict[int, bytes] = {}
            for request in requests[start : start + CONNECT_BATCH]:
                connection = socket.create_connection(("127.0.0.1", port), timeout)
                connection.settimeout(0)
                connection.sendall(request.encode())
                self._poll.register(connection.fileno(), select.EPOLLIN)
                self._sockets[connection.fileno()] = connection
                received[connection.fileno()] = b""
            self._wait_for_mark(received, mark.encode(), deadline)

    def _wait_for_mark(self, received: dict[int, bytes], mark: bytes, deadline: float) -> None:
        while received:
            if monotonic() > deadline:
                raise StreamRefusedError(f"{len(received)} connections were not opened in time")
            for descriptor, _ in self._poll.poll(1.0):
                if descriptor not in received:
                    self._sockets[descriptor].recv(CHUNK_BYTES)
                    continue
                received[descriptor] += self._sockets[descriptor].recv(CHUNK_BYTES)
                content = received[descriptor]
                if not content or (len(content) >= len(STATUS_OK) and not content.startswith(STATUS_OK)):
                    raise StreamRefusedError(f"the server replied {content[:80]!r}")
                if mark in content:
                    del received[descriptor]

    def listen(self, first: int, count: int, timeout: float) -> Message:
        """Read until each connection has received `count` events, or until the timeout."""
        self._first = first
        self._checks = {descriptor: StreamCheck(first) for descriptor in self._sockets}
        self._numbers, self._times = array("q"), array("q")
        expected = count * len(self._sockets)
        deadline = monotonic() + timeout
        start, cpu_start = monotonic(), process_time()
        self._receive(expected, deadline)
        seconds, cpu_seconds = monotonic() - start, process_time() - cpu_start
        self._receive(expected + 1, monotonic() + DUPLICATE_WAIT)
        faults = Faults()
        for check in self._checks.values():
            faults.add(check.faults(first + count - 1))
        return {"faults": vars(faults), "seconds": seconds, "cpu_seconds": cpu_seconds}

    def _receive(self, expected: int, deadline: float) -> None:
        numbers, times, checks, sockets = self._numbers, self._times, self._checks, self._sockets
        while len(numbers) < expected and (left := deadline - monotonic()) > 0:
            for descriptor, _ in self._poll.poll(min(left, 1.0)):
                try:
                    chunk = sockets[descriptor].recv(CHUNK_BYTES)
                except OSError:
                    chunk = b""
                now = monotonic_ns()
                if not chunk:
                    # The check will report the rest of this connection's events as missing.
                    self._poll.unregister(descriptor)
                    continue
                for number in checks[descriptor].feed(chunk):
                    numbers.append(number)
                    times.append(now)

    def summarize_latency(self, committed: list[int]) -> Message:
        """Milliseconds from commit to receipt, and seconds from the first commit to the last receipt.

        `committed` has the commit times of the events, in monotonic nanoseconds.
        """
        first = self._first
        receipts = zip(self._numbers, self._times, strict=True)
        latencies = sorted(time - committed[number - first] for number, time in receipts)
        return {
            "p50": percentile(latencies, 0.50) / 1e6,
            "p99": percentile(latencies, 0.99) / 1e6,
            "max": latencies[-1] / 1e6,
            "deliveries": len(latencies),
            "seconds": (max(self._times) - committed[0]) / 1e9,
        }

    def close(self) -> None:
        """Close all connections."""
        for connection in self._sockets.values():
            connection.close()
        self._sockets.clear()
        self._poll.close()
        self._poll = select.epoll()


def main() -> None:
    """Execute the requests of the benchmark."""
    gc.disable()
    subscribers = Subscribers()
    for message in read_requests():
        match message.pop("do"):
            case "connect":
                try:
                    subscribers.connect(**message)
                except (StreamRefusedError, OSError) as error:
                    send_reply(refused=f"{type(error).__name__}: {error}")
                else:
                    send_reply(connected=True)
            case "listen":
                send_reply(listening=True)
                send_reply(**subscribers.listen(**message))
            case "summarize_latency":
                send_reply(**subscribers.summarize_latency(**message))
            case _:
                subscribers.close()
                send_reply(closed=True)


if __name__ == "__main__":
    main()
