"""A key server on a free port, which can hang, fail, or send something else than keys."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from jwt.algorithms import RSAAlgorithm


class FaultyKeyServer:
    """Answers with the public keys, or as `mode` says: hang, drip, garbage, nested, list, no keys, huge, redirect, error, cut."""

    def __init__(self, **keys: Any) -> None:
        self.mode = "keys"
        self.keys = keys
        #: One element for each request.
        self.requests: list[str] = []
        self.url = ""

    def _body(self) -> bytes:
        keys = [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid} for kid, key in self.keys.items()]
        bodies = {
            "garbage": b"<html>\xff</html>",
            "nested": b"[" * 100_000,
            "list": b"[1]",
            "no keys": b'{"keys": []}',
            "broken keys": b'{"keys": [{"kty": "RSA", "kid": "a", "n": 5, "e": []}, 7]}',
            "huge": json.dumps({"keys": keys, "more": "x" * 1_000_000}).encode(),
        }
        return bodies.get(self.mode, json.dumps({"keys": keys}).encode())

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests.append(self.mode)
            status = {"error": "500 Oops", "redirect": "302 Found"}.get(self.mode, "200 OK")
            body = self._body()
            head = (
                f"HTTP/1.1 {status}\r\nConnection: close\r\nLocation: {self.url}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            if self.mode == "hang":
                await reader.read()
            elif self.mode == "drip":
                for byte in head.encode():
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            else:
                writer.write(head.encode() + (body[:-5] if self.mode == "cut" else body))
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def run_key_server(tls: ssl.SSLContext | None = None, **keys: Any) -> AsyncIterator[FaultyKeyServer]:
    """Run a key server with these private keys, by key id."""
    key_server = FaultyKeyServer(**keys)
    server = await asyncio.start_server(key_server.answer, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    key_server.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    try:
        yield key_server
    finally:
        server.close()
        await server.wait_closed()
