"""A process of readers that come back whenever they are cut off, some of them never reading; it must not know who sends.

`python -m bench.fanout.lasting`. Each comes back with its last id, so the numbers it expects go on through all its connections.
"""

import select
import socket
from time import monotonic

from bench.fanout.dialogue import Message, answer, asked
from bench.fanout.hearing import Faults, Resuming

PORTION = 1 << 16
#: Bytes that a stalled reader's kernel takes for it.
STALLED_BUFFER = 4096
#: Seconds between two looks of a stalled reader's kernel at whether the connection is still there.
ASKED_EACH = 5
HANG_UPS = select.EPOLLRDHUP
PATIENCE = 30.0
LINGER = 0.5


class Reader:
    """One client through all its connections."""

    def __init__(self, request: str, first: int, *, stalled: bool) -> None:
        self._request = request
        self.hearing = Resuming(first)
        self.stalled = stalled
        self.came_back = 0
        self.socket = socket.socket()

    def open(self, port: int) -> int:
        """Connect and ask, from the last id on; the descriptor."""
        self.socket = socket.socket()
        if self.stalled:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER)
            # The server's kernel gives up a connection without a word; whoever never sends must ask, as a browser's watchdog does.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, ASKED_EACH)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASKED_EACH)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        last = self.hearing.last_id
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        self.socket.sendall(self._request.replace("\r\n\r\n", f"\r\n{resume}\r\n").encode())
        self.socket.settimeout(0)
        return self.socket.fileno()


class Lasting:
    """The readers of one server."""

    def __init__(self, port: int, requests: list[str], first: int, stalled: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._readers = [Reader(one, first, stalled=at < stalled) for at, one in enumerate(requests)]
        self._by_descriptor: dict[int, Reader] = {}
        for reader in self._readers:
            self._open(reader)

    def _open(self, reader: Reader) -> None:
        descriptor = reader.open(self._port)
        self._by_descriptor[descriptor] = reader
        self._poll.register(descriptor, HANG_UPS if reader.stalled else select.EPOLLIN)

    def _come_back(self, descriptor: int) -> None:
        reader = self._by_descriptor.pop(descriptor)
        reader.came_back += 1
        reader.hearing.begin_again()
        self._poll.unregister(descriptor)
        reader.socket.close()
        self._open(reader)

    def listen(self, last: int, count: int, within: float) -> Message:
        """Until `count` events have come to all who read, or the time is over: what went wrong, and who came back how often."""
        reading = [one for one in self._readers if not one.stalled]
        end = monotonic() + within
        heard = 0
        while heard < count * len(reading) and monotonic() < end:
            heard += self._turn(1.0)
        end = monotonic() + LINGER
        while monotonic() < end:
            self._turn(LINGER)
        faults = Faults()
        for reader in reading:
            faults.add(reader.hearing.faults(last))
        cut_off = sum(one.came_back for one in self._readers if one.stalled)
        return {"faults": vars(faults), "came_back": sum(one.came_back for one in reading), "cut_off": cut_off}

    def _turn(self, within: float) -> int:
        heard = 0
        for descriptor, _ in self._poll.poll(within):
            reader = self._by_descriptor[descriptor]
            try:
                portion = b"" if reader.stalled else reader.socket.recv(PORTION)
            except OSError:
                portion = b""
            if portion:
                heard += len(reader.hearing.feed(portion))
            else:
                self._come_back(descriptor)
        return heard


def main() -> None:
    """Read for the benchmark that started this."""
    lasting: Lasting | None = None
    for message in asked():
        if message.pop("do") == "connect":
            lasting = Lasting(**message)
            answer(connected=True)
        elif lasting is not None:
            answer(listening=True)
            answer(**lasting.listen(**message))


if __name__ == "__main__":
    main()
