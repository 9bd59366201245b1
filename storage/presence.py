"""Stores which subscribers each API process has, so that every process can show all of them.

This is not visit state. On SQLite each report is a commit, so it wakes every process that follows the log. Each of them reads the
log once, finds nothing new, and waits again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from patient_visit_engine.storage.tables import stream_processes, stream_readers

#: A process without a report for this long counts as dead. Its subscribers are hidden, and the next report deletes them.
DEAD_AFTER = timedelta(seconds=60)
#: Rows in one query. On PostgreSQL the event loop builds the rows, and it must serve streams in between.
SUBSCRIBERS_PER_PAGE = 1_000

PROCESS = stream_processes.c
SUBSCRIBER = stream_readers.c
KEEP_ALIVE = (
    update(stream_processes)
    .where(PROCESS.id == bindparam("process"))
    .values(at=bindparam("now"), cursor=bindparam("position"))
)
THIS_SUBSCRIBER = (SUBSCRIBER.process_id == bindparam("process")) & (SUBSCRIBER.number == bindparam("of"))
DELETE_SUBSCRIBER = delete(stream_readers).where(THIS_SUBSCRIBER)
MOVE_SUBSCRIBER = update(stream_readers).where(THIS_SUBSCRIBER).values(cursor=bindparam("to"))
PAGE = (
    select(SUBSCRIBER.number, SUBSCRIBER.user, SUBSCRIBER.name, SUBSCRIBER.role, SUBSCRIBER.since, SUBSCRIBER.cursor)
    .where(SUBSCRIBER.process_id == bindparam("process"), SUBSCRIBER.number > bindparam("after"))
    .order_by(SUBSCRIBER.number)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class ReportedSubscriber:
    """One subscriber, with its number in its process. `cursor` is None while it is live."""

    number: int
    user: str
    name: str
    role: str
    since: datetime
    cursor: str | None


@dataclass(frozen=True, slots=True)
class PresenceReport:
    """The difference at the time `at` to the last report of `process`: subscribers that connected, disconnected or moved.

    `moved` has the new cursors by number. `whole` means that this report replaces all earlier ones. `cursor` is the cursor of the
    process itself.
    """

    process: str
    at: datetime
    cursor: str
    connected: Sequence[ReportedSubscriber] = ()
    disconnected: Sequence[int] = ()
    moved: Mapping[int, str | None] | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ReportedProcess:
    """Everything that one process has reported, as it was at the time `at`."""

    id: str
    at: datetime
    cursor: str
    subscribers: Sequence[ReportedSubscriber]


def write_report(connection: Connection, report: PresenceReport) -> bool:
    """Write the report.

    Returns False, and writes nothing, when other processes have deleted this one as dead. It must then send a whole report.
    """
    process = report.process
    if report.whole:
        delete_process(connection, process)
        connection.execute(insert(stream_processes).values(id=process, at=report.at, cursor=report.cursor))
    else:
        values = {"process": process, "now": report.at, "position": report.cursor}
        if connection.execute(KEEP_ALIVE, values).rowcount != 1:
            return False
    if report.disconnected:
        connection.execute(DELETE_SUBSCRIBER, [{"process": process, "of": number} for number in report.disconnected])
    if report.moved:
        moves = [{"process": process, "of": number, "to": cursor} for number, cursor in report.moved.items()]
        connection.execute(MOVE_SUBSCRIBER, moves)
    if report.connected:
        connection.execute(insert(stream_readers), [_row(process, subscriber) for subscriber in report.connected])
    _delete_dead(connection, report.at - DEAD_AFTER)
    return True


def _row(process: str, subscriber: ReportedSubscriber) -> dict[str, object]:
    return {
        "process_id": process,
        "number": subscriber.number,
        "user": subscriber.user,
        "name": subscriber.name,
        "role": subscriber.role,
        "since": subscriber.since,
        "cursor": subscriber.cursor,
    }


def delete_process(connection: Connection, process: str) -> None:
    """Delete everything that the process has reported."""
    # The process first, then its subscribers, as in `write_report` and `_delete_dead`. In the other order two deletes can deadlock.
    connection.execute(select(PROCESS.id).where(PROCESS.id == process).with_for_update())
    connection.execute(delete(stream_readers).where(SUBSCRIBER.process_id == process))
    connection.execute(delete(stream_processes).where(PROCESS.id == process))


def _delete_dead(connection: Connection, last_report_before: datetime) -> None:
    # Locked rows are skipped. Otherwise reports would wait for each other. A locked process is just reporting, so it is not dead.
    dead = select(PROCESS.id).where(PROCESS.at < last_report_before).with_for_update(skip_locked=True)
    for process in connection.scalars(dead).all():
        delete_process(connection, process)


def read_other_processes(connection: Connection, process: str, now: datetime) -> list[ReportedProcess]:
    """Read the reports of all other processes that are not dead."""
    alive = select(PROCESS.id, PROCESS.at, PROCESS.cursor).where(PROCESS.id != process, PROCESS.at >= now - DEAD_AFTER)
    rows = connection.execute(alive.order_by(PROCESS.id)).all()
    return [ReportedProcess(row.id, row.at, row.cursor, list(_read_subscribers(connection, row.id))) for row in rows]


def _read_subscribers(connection: Connection, process: str) -> Iterator[ReportedSubscriber]:
    last_number = 0
    while True:
        values = {"process": process, "after": last_number, "limit": SUBSCRIBERS_PER_PAGE}
        page = [ReportedSubscriber(*row) for row in connection.execute(PAGE, values)]
        yield from page
        if len(page) < SUBSCRIBERS_PER_PAGE:
            return
        last_number = page[-1].number
