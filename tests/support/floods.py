"""What strangers do to the port of an API process, and what it costs the process."""

import asyncio
import re
import socket
from contextlib import suppress
from pathlib import Path

from tests.support.raw_http import PATIENCE, RawConnection

MEGABYTE = b"a" * 1_000_000
PEAK_MEMORY = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)


def peak_megabytes(pid: int) -> float:
    """The most memory that the process has had."""
    match = PEAK_MEMORY.search(Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


def send_header(port: int, megabytes: int) -> bytes:
    """Send one request with a header of this size, and return the answer's first bytes. Blocks."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ")
            for _ in range(megabytes):
                connection.sendall(MEGABYTE)
            connection.sendall(b"\r\n\r\n")
        return connection.recv(4096)


class Strangers:
    """Connections of unknown clients. `close` ends them."""

    def __init__(self) -> None:
        self._connections: list[RawConnection] = []

    async def open(self, port: int, start: bytes, count: int) -> list[RawConnection]:
        """Open connections that send these bytes and then nothing."""
        opened = [RawConnection(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(count)]
        self._connections += opened
        for connection in opened:
            with suppress(ConnectionError):
                await connection.send(start)
        return opened

    async def open_one(self, port: int) -> RawConnection:
        return (await self.open(port, b"", 1))[0]

    async def close(self) -> None:
        """Close all connections, and wait until their sockets are closed."""
        for connection in self._connections:
            connection.close()
        for connection in self._connections:
            with suppress(ConnectionError):
                await connection.writer.wait_closed()
        self._connections.clear()


async def ends_of(connections: list[RawConnection]) -> list[bytes]:
    """What each connection received before the server closed it."""
    return list(await asyncio.gather(*(connection.rest() for connection in connections)))
