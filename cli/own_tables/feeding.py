"""Feeds rows: several at the same time, each record in the order of the file, results in the order of the file."""

import asyncio
import hashlib
import json
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from patient_visit_engine.cli.own_tables.records import CellRefusal, MappedRecord, RefusedRowError, RowReader
from patient_visit_engine.cli.own_tables.sending import RecordSender, SendResult
from patient_visit_engine.cli.own_tables.tables import TableRow

#: Rows of which requests are under way. More only wait for the database.
MAX_ROWS_AT_ONCE = 8
#: Records of which the last content is remembered. A forgotten record is sent once more, which changes nothing.
MAX_REMEMBERED_RECORDS = 50_000


@dataclass(frozen=True)
class RowOutcome:
    """What became of a row. `older` has the kinds of its records for which the system has something newer."""

    row: TableRow
    refusal: CellRefusal | None = None
    older: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sending:
    """The last content of a record, and the task that sends it."""

    digest: bytes
    as_of: str
    task: "asyncio.Task[SendResult]"


class Feed:
    """Feeds the rows of one or more tables. A record that is the same in many rows is sent once."""

    def __init__(self, sender: RecordSender) -> None:
        self._sender = sender
        self._last: OrderedDict[tuple[str, str], _Sending] = OrderedDict()

    async def run(self, rows: Iterable[TableRow], reader: RowReader) -> AsyncIterator[RowOutcome]:
        """Feed the rows, and give their outcomes in their order. Raises what `RecordSender.send` raises."""
        under_way: deque[asyncio.Task[RowOutcome]] = deque()
        try:
            for row in rows:
                under_way.append(self._begin(row, reader))
                if len(under_way) >= MAX_ROWS_AT_ONCE:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            await self._stop(under_way)

    async def _stop(self, under_way: Iterable["asyncio.Task[RowOutcome]"]) -> None:
        tasks = [*under_way, *(sending.task for sending in self._last.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, row: TableRow, reader: RowReader) -> "asyncio.Task[RowOutcome]":
        """Start to send the row's records. Nothing here waits, so each record keeps the order of the file."""
        try:
            records = [record for record in reader.read(row) if record.is_sent]
        except RefusedRowError as error:
            return asyncio.create_task(_refuse(row, error.refusal))
        sendings: dict[str, asyncio.Task[SendResult]] = {}
        for record in records:
            needed = list(sendings.values()) if record.section == "appointment" else []
            sendings[record.section] = self._send_once(record, needed)
        return asyncio.create_task(_collect(row, sendings))

    def _send_once(
        self, record: MappedRecord, needed: Iterable["asyncio.Task[SendResult]"]
    ) -> "asyncio.Task[SendResult]":
        key = (record.section, record.identifier)
        as_of = str(record.body.get("as_of", ""))
        digest = _digest(record)
        last = self._last.get(key)
        if last is not None and last.digest == digest and as_of <= last.as_of:
            self._last.move_to_end(key)
            return last.task
        waits_for = [*needed] if last is None else [*needed, last.task]
        task = asyncio.create_task(self._send_after(record, list(needed), waits_for))
        self._last[key] = _Sending(digest, as_of, task)
        self._last.move_to_end(key)
        while len(self._last) > MAX_REMEMBERED_RECORDS and next(iter(self._last.values())).task.done():
            self._last.popitem(last=False)
        return task

    async def _send_after(
        self,
        record: MappedRecord,
        needed: Iterable["asyncio.Task[SendResult]"],
        waits_for: Iterable["asyncio.Task[SendResult]"],
    ) -> SendResult:
        await asyncio.gather(*waits_for)
        for task in needed:
            if (await task).refusal is not None:
                return await task
        return await self._sender.send(record)


def _digest(record: MappedRecord) -> bytes:
    content = {name: value for name, value in record.body.items() if name != "as_of"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()


async def _refuse(row: TableRow, refusal: CellRefusal) -> RowOutcome:
    return RowOutcome(row, refusal)


async def _collect(row: TableRow, sendings: dict[str, "asyncio.Task[SendResult]"]) -> RowOutcome:
    results = {name: await task for name, task in sendings.items()}
    refusal = next((result.refusal for result in results.values() if result.refusal is not None), None)
    return RowOutcome(row, refusal, tuple(name for name, result in results.items() if not result.applied))
