"""A load balancer between clients and several API processes: each connection goes to the next process that accepts it."""

import asyncio
from collections.abc import Sequence
from itertools import count

from tests.support.relay import PORTION, Relay, run_until_one_ends


class Balancer(Relay):
    """Passes bytes on. A connection breaks when its process dies, as behind a load balancer of TCP."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__()
        self._ports = ports
        self._turns = count()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = next(self._turns)
        for attempt in range(len(self._ports)):
            try:
                upstream, up = await asyncio.open_connection(
                    "127.0.0.1", self._ports[(turn + attempt) % len(self._ports)]
                )
            except OSError:
                continue
            try:
                await run_until_one_ends(_copy(reader, up), _copy(upstream, writer))
            finally:
                up.close()
            break


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while portion := await source.read(PORTION):
        to.write(portion)
        await to.drain()
