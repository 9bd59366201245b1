"""Connections that send bytes as the test writes them."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

PATIENCE = 30.0
HOST = "Host: visits.example"


def get(path: str = "/", *headers: str) -> bytes:
    """A complete GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", HOST, *headers, "", ""]).encode()


@dataclass
class Response:
    """One response, with header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.body)
        return problem


class RawConnection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, content: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            self.writer.write(content)
            await self.writer.drain()

    async def response(self) -> Response:
        """Read one response, with a Content-Length."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Response(int(head[0].split()[1]), headers, body)

    async def answer(self, content: bytes) -> Response:
        await self.send(content)
        return await self.response()

    async def rest(self) -> bytes:
        """Everything until the server closes the connection. A reset counts as a close."""
        received = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while portion := await self.reader.read(65536):
                    received += portion
            except ConnectionError:
                pass
        return received

    def close(self) -> None:
        self.writer.transport.abort()
