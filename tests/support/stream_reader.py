"""One screen's event stream, read as a browser would; it must not know what the test expects of it."""

import asyncio
import json
from types import TracebackType
from typing import Any

from tests.support.engine import Engine


class StreamReader:
    """Reads `/api/events` in the background from the moment that it is entered, keeping all that comes."""

    def __init__(self, hospital: Engine, role: str, doctor_id: int | None = None, cursor: str | None = None) -> None:
        self._hospital = hospital
        self._client = hospital.staff(role, doctor_id)
        self._cursor = cursor
        self._came = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.heard: list[tuple[str, str, dict[str, Any]]] = []

    async def __aenter__(self) -> "StreamReader":
        self._task = asyncio.create_task(self._read())
        await self.next("ready")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose()

    def names(self) -> list[str]:
        return [name for name, _, _ in self.heard]

    async def next(self, name: str, **fields: Any) -> dict[str, Any]:
        """The first event of this name whose data has these fields, whether it came already or is to come."""

        def found() -> dict[str, Any] | None:
            for heard, _, data in self.heard:
                if heard == name and fields.items() <= data.items():
                    return data
            return None

        async with asyncio.timeout(30), self._came:
            await self._came.wait_for(lambda: found() is not None or (self._task is not None and self._task.done()))
        data = found()
        assert data is not None, f"the stream ended before {name}"
        return data

    async def caught_up(self) -> None:
        """Until all that is in the log now has come by, or would have: the head's own event on a shared channel."""
        [head] = await self._hospital.rows("SELECT max(seq) AS seq FROM events WHERE channel = 'consultations'")

        def reached() -> bool:
            return any(int(at.rpartition("-")[2]) >= head["seq"] for _, at, _ in self.heard if at)

        async with asyncio.timeout(30), self._came:
            await self._came.wait_for(reached)

    async def _read(self) -> None:
        headers = {} if self._cursor is None else {"Last-Event-ID": self._cursor}
        async with self._client.stream("GET", "/api/events", headers=headers, timeout=None) as stream:
            assert stream.status_code == 200, await stream.aread()
            name, at, data = "", "", ""
            async for line in stream.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    at = value
                elif field == "data":
                    data = value
                elif not line and data:
                    await self._hear(name, at, json.loads(data))
                    name, at, data = "", "", ""

    async def _hear(self, name: str, at: str, data: dict[str, Any]) -> None:
        async with self._came:
            self.heard.append((name, at, data))
            self._came.notify_all()
