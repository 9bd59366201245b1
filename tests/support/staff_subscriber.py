"""A subscriber to the event stream, signed in as a member of staff."""

import asyncio
import json
from types import TracebackType
from typing import Any

from tests.support.engine import Engine


class StaffSubscriber:
    """Receives `/api/events` in the background from the moment it is entered, and keeps all events.

    `events` has name, id and data of each event, in order of arrival.
    """

    def __init__(self, engine: Engine, role: str, doctor_id: int | None = None, cursor: str | None = None) -> None:
        self._engine = engine
        self._client = engine.staff(role, doctor_id)
        self._cursor = cursor
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    async def __aenter__(self) -> "StaffSubscriber":
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
        """The names of all events so far."""
        return [name for name, _, _ in self.events]

    async def next(self, name: str, **fields: Any) -> dict[str, Any]:
        """The data of the first event with this name and these fields; wait for it if it has not come yet."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: self._find(name, fields) is not None or self._has_ended())
        data = self._find(name, fields)
        assert data is not None, f"the stream ended before {name}"
        return data

    async def wait_for_log_head(self) -> None:
        """Wait until the newest event of the shared channel has come, and with it every earlier event for this screen."""
        [head] = await self._engine.rows("SELECT max(seq) AS seq FROM events WHERE channel = 'consultations'")

        def reached() -> bool:
            return any(int(event_id.rpartition("-")[2]) >= head["seq"] for _, event_id, _ in self.events if event_id)

        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(reached)

    def _find(self, name: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        for event_name, _, data in self.events:
            if event_name == name and fields.items() <= data.items():
                return data
        return None

    def _has_ended(self) -> bool:
        return self._task is not None and self._task.done()

    async def _read(self) -> None:
        headers = {} if self._cursor is None else {"Last-Event-ID": self._cursor}
        async with self._client.stream("GET", "/api/events", headers=headers, timeout=None) as stream:
            assert stream.status_code == 200, await stream.aread()
            name, event_id, data = "", "", ""
            async for line in stream.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    event_id = value
                elif field == "data":
                    data = value
                elif not line and data:
                    await self._add_event(name, event_id, json.loads(data))
                    name, event_id, data = "", "", ""

    async def _add_event(self, name: str, event_id: str, data: dict[str, Any]) -> None:
        async with self._changed:
            self.events.append((name, event_id, data))
            self._changed.notify_all()
