"""What has been left lying: rows whose time has passed unnoticed, and rows that nobody needs any more; it must not know Temporal."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import takewhile

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, or_, select

from patient_visit_engine.storage.tables import (
    events,
    patient_trackings,
    requests,
    sessions,
    sign_in_failures,
    waiting_line,
)
from patient_visit_engine.visit.codes import TrackingStatus

PRUNE_BATCH = 1_000
#: How long an Idempotency-Key stands for its answer: promised to clients, so no setting of an operator's shortens it.
ANSWERS_KEPT = timedelta(days=7)


@dataclass
class OverdueVisit:
    """The visit of one patient and day that ought to have done something by now."""

    patient_id: int
    day: date
    consultation_ids: list[str] = field(default_factory=list)


def find_overdue_visits(
    connection: Connection, overdue_since: datetime, today: date, limit: int, *, offers_expire: bool
) -> list[OverdueVisit]:
    """Visits with a timer that was due before `overdue_since`, or with a day that is past and was not closed."""
    found: dict[tuple[int, date], OverdueVisit] = {}
    rows = patient_trackings.c
    late = and_(
        rows.status == TrackingStatus.in_progress.value,
        or_(rows.remind_at < overdue_since, rows.abandon_at < overdue_since),
    )
    unclosed = and_(rows.status == TrackingStatus.pending.value, rows.visit_day < today)
    query = select(rows.patient_id, rows.visit_day, rows.consultation_id).where(or_(late, unclosed))
    # The newest first: a row that cannot be helped grows old, and must not keep the rest from its turn.
    for row in connection.execute(query.order_by(rows.id.desc()).limit(limit)):
        visit = found.setdefault((row.patient_id, row.visit_day), OverdueVisit(row.patient_id, row.visit_day))
        if row.consultation_id is not None:
            visit.consultation_ids.append(row.consultation_id)
    line = waiting_line.c
    unserved = line.visit_day < today
    if offers_expire:
        unserved = or_(unserved, line.offered_until < overdue_since)
    for place in connection.execute(select(line.patient_id, line.visit_day).where(unserved).limit(limit)):
        found.setdefault((place.patient_id, place.visit_day), OverdueVisit(place.patient_id, place.visit_day))
    return list(found.values())


def prune(connection: Connection, keep_since: datetime, now: datetime) -> int:
    """Delete one batch of each kind that is past keeping, events before `keep_since`; how many rows went.

    Ask again until it is 0.
    """
    rows = sum(_delete_some(connection, table, past) for table, past in _past_keeping(now))
    return rows + _shorten_log(connection, keep_since)


def _past_keeping(now: datetime) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    # A command that waits to be sent again is no answer yet: it stays until it has one.
    answered = or_(requests.c.decided_at.is_not(None), requests.c.command.is_(None))
    yield requests, and_(requests.c.created_at < now - ANSWERS_KEPT, answered)
    yield sessions, sessions.c.expires_at < now
    yield sign_in_failures, sign_in_failures.c.at < now - ANSWERS_KEPT


def _shorten_log(connection: Connection, keep_since: datetime) -> int:
    # Up to the first event that is to be kept and no further. Clocks of several workers differ, so a later position can
    # carry an earlier moment: deleted by its moment alone it would leave a hole, and a hole stops every reader.
    oldest = connection.execute(select(events.c.seq, events.c.at).order_by(events.c.seq).limit(PRUNE_BATCH))
    past = [row.seq for row in takewhile(lambda row: row.at < keep_since, oldest)]
    return connection.execute(delete(events).where(events.c.seq <= past[-1])).rowcount if past else 0


def _delete_some(connection: Connection, table: Table, past: ColumnElement[bool]) -> int:
    (key,) = table.primary_key.columns
    batch = select(key).where(past).order_by(key).limit(PRUNE_BATCH)
    return connection.execute(delete(table).where(key.in_(batch))).rowcount
