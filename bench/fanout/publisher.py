"""A process that commits events one by one and, where nobody follows the log, posts each after its commit; it must not know who hears.

`python -m bench.fanout.publisher DATABASE [PORT]`: with a port, to `/publish` there, over one connection that is kept.
"""

import asyncio
import socket
import sys
from time import monotonic_ns

import uvloop

from bench.fanout.dialogue import answer, asked
from bench.fanout.telling import MOMENT, NAME, an_event, as_text
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append

PUBLISH = "/publish"
PATIENCE = 60.0


class Endpoint:
    """One connection to where messages are posted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def post(self, text: str) -> None:
        """Send and wait for the answer. Raises OSError when it says no."""
        content = text.encode()
        head = (
            f"POST {PUBLISH} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
            f"X-EventSource-Event: {NAME}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            self._exchange(head.encode() + content)
        except (ConnectionError, TimeoutError):
            # Servers hang up on a connection that was idle: that is no refusal.
            self.close()
            self._exchange(head.encode() + content)

    def _exchange(self, message: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        told = b""
        while b"\r\n\r\n" not in told:
            portion = self._socket.recv(65536)
            if not portion:
                raise ConnectionResetError("the publisher's connection was closed")
            told += portion
        head, _, body = told.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise OSError(f"a message was refused: {head[:80]!r}")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += self._socket.recv(65536)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


async def tell(database: Database, endpoint: Endpoint | None, numbers: range, every: float) -> list[int]:
    """Commit and post, an event each `every` seconds or back to back; when each commit was known to be done, in monotonic nanoseconds."""
    committed: list[int] = []
    due = asyncio.get_running_loop().time()
    for number in numbers:
        event = an_event(number)
        await database.write(append, [event], MOMENT)
        committed.append(monotonic_ns())
        if endpoint is not None:
            endpoint.post(as_text(event))
        due += every
        if every:
            await asyncio.sleep(due - asyncio.get_running_loop().time())
    return committed


async def serve(url: str, port: int | None) -> None:
    """Do what is asked until nobody asks."""
    database = Database(url)
    endpoint = None if port is None else Endpoint(port)
    try:
        for message in asked():
            numbers = range(message["first"], message["first"] + message["count"])
            answer(committed=await tell(database, endpoint, numbers, message["every"]))
    finally:
        await database.close()
        if endpoint is not None:
            endpoint.close()


def main() -> None:
    """Publish for the benchmark that started this."""
    url, *port = sys.argv[1:]
    uvloop.run(serve(url, int(port[0]) if port else None))


if __name__ == "__main__":
    main()
