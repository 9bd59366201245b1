"""A load balancer between clients and several API processes: each connection goes to the next process that accepts it."""

import asyncio
from collections.abc import Sequence
from itertools import count


class Balancer:
    """Passes bytes on. A connection breaks when its process dies, as behind a load balancer of TCP."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turns = count()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        turn = next(self._turns)
        for attempt in range(len(self._ports)):
            try:
                upstream, up = await asyncio.open_connection(
                    "127.0.0.1", self._ports[(turn + attempt) % len(self._ports)]
                )
            except OSError:
                continue
            await _join(reader, writer, upstream, up)
            break
        writer.close()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: asyncio.StreamReader, up: asyncio.StreamWriter
) -> None:
    """Copy in both directions until one side ends."""
    copies = [asyncio.create_task(_copy(reader, up)), asyncio.create_task(_copy(upstream, writer))]
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
        up.close()


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while portion := await source.read(65536):
        to.write(portion)
        await to.drain()
