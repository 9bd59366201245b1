"""A process that commits events one by one. For servers that do not read the log, it also posts each event after its commit.

`python -m bench.fanout.publisher DATABASE [PORT]`: with a port, it posts to `/publish` there over one keep-alive connection.
"""

import asyncio
import socket
import sys
from time import monotonic_ns

import uvloop

from bench.fanout.events import EVENT_TIME, NAME, build_event, event_text
from bench.fanout.json_pipe import read_requests, send_reply
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append

PUBLISH_PATH = "/publish"
TIMEOUT = 60.0
CHUNK_BYTES = 65536


class PublishConnection:
    """One keep-alive connection to the server that receives the posts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def post(self, text: str) -> None:
        """Post a message and wait for the response. Raises OSError when the server refuses it."""
        content = text.encode()
        head = (
            f"POST {PUBLISH_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
            f"X-EventSource-Event: {NAME}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            self._exchange(head.encode() + content)
        except (ConnectionError, TimeoutError):
            # Servers close idle connections. That is not a refusal, so the post is repeated once.
            self.close()
            self._exchange(head.encode() + content)

    def _exchange(self, message: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = self._socket.recv(CHUNK_BYTES)
            if not chunk:
                raise ConnectionResetError("the server closed the publisher's connection")
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise OSError(f"the server refused a message: {head[:80]!r}")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += self._socket.recv(CHUNK_BYTES)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


async def publish_events(
    database: Database, connection: PublishConnection | None, numbers: range, every: float
) -> list[int]:
    """Commit and post one event each `every` seconds, or back to back when that is 0.

    Returns when the writer saw each commit, in monotonic nanoseconds.
    """
    committed: list[int] = []
    next_time = asyncio.get_running_loop().time()
    for number in numbers:
        event = build_event(number)
        await database.write(append, [event], EVENT_TIME)
        committed.append(monotonic_ns())
        if connection is not None:
            connection.post(event_text(event))
        next_time += every
        if every:
            await asyncio.sleep(next_time - asyncio.get_running_loop().time())
    return committed


async def execute_requests(url: str, port: int | None) -> None:
    """Publish what the benchmark requests, until it closes the pipe."""
    database = Database(url)
    connection = None if port is None else PublishConnection(port)
    try:
        for message in read_requests():
            numbers = range(message["first"], message["first"] + message["count"])
            send_reply(committed=await publish_events(database, connection, numbers, message["every"]))
    finally:
        await database.close()
        if connection is not None:
            connection.close()


def main() -> None:
    url, *port = sys.argv[1:]
    uvloop.run(execute_requests(url, int(port[0]) if port else None))


if __name__ == "__main__":
    main()
