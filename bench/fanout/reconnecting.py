"""A process of subscribers that reconnect after each disconnect. Some of them never read.

`python -m bench.fanout.reconnecting`. Each subscriber reconnects with its last event id, so its expected numbers continue across all
its connections.
"""

import select
import socket
from time import monotonic

from bench.fanout.json_pipe import Message, read_requests, send_reply
from bench.fanout.stream_check import ResumingStreamCheck
from patient_visit_engine.cli.replay.delivery import Faults

CHUNK_BYTES = 1 << 16
#: Bytes of receive buffer for a stalled subscriber.
STALLED_BUFFER = 4096
#: Seconds between two TCP keepalive probes of a stalled subscriber.
KEEPALIVE_SECONDS = 5
HANG_UPS = select.EPOLLRDHUP
CONNECT_TIMEOUT = 30.0
#: Seconds after the last expected event in which a duplicate is still noticed.
DUPLICATE_WAIT = 0.5


class ReconnectingSubscriber:
    """One client with all its connections, one after the other."""

    def __init__(self, request: str, first: int, *, stalled: bool) -> None:
        self._request = request
        self.check = ResumingStreamCheck(first)
        self.stalled = stalled
        self.reconnects = 0
        self.socket = socket.socket()

    def open(self, port: int) -> int:
        """Connect and request the stream after the last event id. Returns the file descriptor."""
        self.socket = socket.socket()
        if self.stalled:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER)
            # The server's kernel drops a connection silently. A client that never sends finds out only by keepalive probes;
            # a browser has its watchdog for this.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
        self.socket.settimeout(CONNECT_TIMEOUT)
        self.socket.connect(("127.0.0.1", port))
        last_id = self.check.last_id
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        self.socket.sendall(self._request.replace("\r\n\r\n", f"\r\n{resume}\r\n").encode())
        self.socket.settimeout(0)
        return self.socket.fileno()


class ReconnectingSubscribers:
    """The subscribers of one server. The first `stalled` of them never read."""

    def __init__(self, port: int, requests: list[str], first: int, stalled: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._subscribers = [
            ReconnectingSubscriber(request, first, stalled=index < stalled) for index, request in enumerate(requests)
        ]
        self._by_descriptor: dict[int, ReconnectingSubscriber] = {}
        for subscriber in self._subscribers:
            self._open(subscriber)

    def _open(self, subscriber: ReconnectingSubscriber) -> None:
        descriptor = subscriber.open(self._port)
        self._by_descriptor[descriptor] = subscriber
        self._poll.register(descriptor, HANG_UPS if subscriber.stalled else select.EPOLLIN)

    def _reconnect(self, descriptor: int) -> None:
        subscriber = self._by_descriptor.pop(descriptor)
        subscriber.reconnects += 1
        subscriber.check.start_new_connection()
        self._poll.unregister(descriptor)
        subscriber.socket.close()
        self._open(subscriber)

    def listen(self, last: int, count: int, timeout: float) -> Message:
        """Read until each reading subscriber has `count` events, or until the timeout. Returns faults and reconnects."""
        reading = [subscriber for subscriber in self._subscribers if not subscriber.stalled]
        deadline = monotonic() + timeout
        received = 0
        while received < count * len(reading) and monotonic() < deadline:
            received += self._poll_once(1.0)
        deadline = monotonic() + DUPLICATE_WAIT
        while monotonic() < deadline:
            self._poll_once(DUPLICATE_WAIT)
        faults = Faults()
        for subscriber in reading:
            faults.add(subscriber.check.faults(last))
        stalled = [subscriber for subscriber in self._subscribers if subscriber.stalled]
        return {
            "faults": vars(faults),
            "reconnects": sum(subscriber.reconnects for subscriber in reading),
            "stalled_reconnects": sum(subscriber.reconnects for subscriber in stalled),
        }

    def _poll_once(self, timeout: float) -> int:
        """Handle the sockets that are ready. Returns the number of completed events."""
        received = 0
        for descriptor, _ in self._poll.poll(timeout):
            subscriber = self._by_descriptor[descriptor]
            try:
                chunk = b"" if subscriber.stalled else subscriber.socket.recv(CHUNK_BYTES)
            except OSError:
                chunk = b""
            if chunk:
                received += len(subscriber.check.feed(chunk))
            else:
                self._reconnect(descriptor)
        return received


def main() -> None:
    """Execute the requests of the benchmark."""
    subscribers: ReconnectingSubscribers | None = None
    for message in read_requests():
        if message.pop("do") == "connect":
            subscribers = ReconnectingSubscribers(**message)
            send_reply(connected=True)
        elif subscribers is not None:
            send_reply(listening=True)
            send_reply(**subscribers.listen(**message))


if __name__ == "__main__":
    main()
