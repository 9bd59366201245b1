"""What API processes report of the readers of their streams, for each other to show; it must not know a hub or an open stream.

It is no state of a visit. On SQLite a report is a commit like any other, so it wakes every process that follows the log there: each
looks once, finds nothing new, and waits on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from patient_visit_engine.storage.tables import stream_processes, stream_readers

#: A process that has not reported for so long is dead: nobody shows its readers, and whoever reports next deletes them.
DEAD_AFTER = timedelta(seconds=60)
#: Rows read at once: on PostgreSQL they are made in the event loop, which has other streams to serve in between.
READERS_A_PAGE = 1_000

PROCESS = stream_processes.c
READER = stream_readers.c
SIGN_OF_LIFE = (
    update(stream_processes)
    .where(PROCESS.id == bindparam("process"))
    .values(at=bindparam("now"), cursor=bindparam("position"))
)
ONE_READER = (READER.process_id == bindparam("process")) & (READER.number == bindparam("of"))
FORGET_READER = delete(stream_readers).where(ONE_READER)
MOVE_READER = update(stream_readers).where(ONE_READER).values(cursor=bindparam("to"))
PAGE = (
    select(READER.number, READER.user, READER.name, READER.role, READER.since, READER.cursor)
    .where(READER.process_id == bindparam("process"), READER.number > bindparam("behind"))
    .order_by(READER.number)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class ReportedReader:
    """One reader, by its number in its process; `cursor` is None while it has had all that the process has."""

    number: int
    user: str
    name: str
    role: str
    since: datetime
    cursor: str | None


@dataclass(frozen=True, slots=True)
class PresenceReport:
    """What is different at the moment `at` from what `process` reported before: who came, who went, who is elsewhere.

    `whole`: nothing that was reported before holds. `cursor` is how far the process itself has read the log.
    """

    process: str
    at: datetime
    cursor: str
    came: Sequence[ReportedReader] = ()
    gone: Sequence[int] = ()
    moved: Mapping[int, str | None] | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ReportedProcess:
    """All of one process that it has reported, true at the moment `at`."""

    id: str
    at: datetime
    cursor: str
    readers: Sequence[ReportedReader]


def report(connection: Connection, told: PresenceReport) -> bool:
    """Write what is different; False, with nothing written, when the process has been taken for dead: it must report whole."""
    if told.whole:
        withdraw(connection, told.process)
        connection.execute(insert(stream_processes).values(id=told.process, at=told.at, cursor=told.cursor))
    else:
        said = {"process": told.process, "now": told.at, "position": told.cursor}
        if connection.execute(SIGN_OF_LIFE, said).rowcount != 1:
            return False
    if told.gone:
        connection.execute(FORGET_READER, [{"process": told.process, "of": number} for number in told.gone])
    if told.moved:
        moves = [{"process": told.process, "of": number, "to": cursor} for number, cursor in told.moved.items()]
        connection.execute(MOVE_READER, moves)
    if told.came:
        connection.execute(insert(stream_readers), [_row(told.process, one) for one in told.came])
    _forget_dead(connection, told.at - DEAD_AFTER)
    return True


def _row(process: str, one: ReportedReader) -> dict[str, object]:
    return {
        "process_id": process,
        "number": one.number,
        "user": one.user,
        "name": one.name,
        "role": one.role,
        "since": one.since,
        "cursor": one.cursor,
    }


def withdraw(connection: Connection, process: str) -> None:
    """Delete all that the process has reported."""
    connection.execute(delete(stream_readers).where(READER.process_id == process))
    connection.execute(delete(stream_processes).where(PROCESS.id == process))


def _forget_dead(connection: Connection, since: datetime) -> None:
    # Skipped where locked: several would wait for each other, and one that wakes up now has just told that it lives.
    dead = select(PROCESS.id).where(PROCESS.at < since).with_for_update(skip_locked=True)
    for process in connection.scalars(dead).all():
        withdraw(connection, process)


def others(connection: Connection, process: str, now: datetime) -> list[ReportedProcess]:
    """What all processes but this one have reported, and are not dead."""
    living = select(PROCESS.id, PROCESS.at, PROCESS.cursor).where(PROCESS.id != process, PROCESS.at >= now - DEAD_AFTER)
    found = connection.execute(living.order_by(PROCESS.id)).all()
    return [ReportedProcess(each.id, each.at, each.cursor, list(_readers(connection, each.id))) for each in found]


def _readers(connection: Connection, process: str) -> Iterator[ReportedReader]:
    behind = 0
    while True:
        asked = {"process": process, "behind": behind, "limit": READERS_A_PAGE}
        page = [ReportedReader(*row) for row in connection.execute(PAGE, asked)]
        yield from page
        if len(page) < READERS_A_PAGE:
            return
        behind = page[-1].number
