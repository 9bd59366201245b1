"""Database queries of the sweep: visits with late work, and deletion of rows that are no longer needed."""

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
    sign_in_attempts,
    waiting_line,
)
from patient_visit_engine.visit.codes import TrackingStatus

PRUNE_BATCH = 1_000
#: How long the answer to an Idempotency-Key is stored. Clients rely on this, so no setting can shorten it.
ANSWER_LIFETIME = timedelta(days=7)
#: How long attempts to sign in are stored. They count only for `storage.accounts.ATTEMPT_LIFETIME`.
SIGN_IN_LIFETIME = timedelta(days=7)


@dataclass
class LateVisit:
    """The visit of one patient and day, which has not handled a timer or the end of its day in time."""

    patient_id: int
    day: date
    consultation_ids: list[str] = field(default_factory=list)


def find_late_visits(
    connection: Connection, late_since: datetime, today: date, limit: int, *, offers_expire: bool
) -> list[LateVisit]:
    """Return visits with a timer due before `late_since`, or with a past day that was not closed.

    Each of the two queries reads at most `limit` rows. `offers_expire` is false when offers have no time limit.
    """
    visits: dict[tuple[int, date], LateVisit] = {}
    tracking = patient_trackings.c
    timer_is_late = and_(
        tracking.status == TrackingStatus.in_progress.value,
        or_(tracking.remind_at < late_since, tracking.abandon_at < late_since),
    )
    unclosed = and_(tracking.status == TrackingStatus.pending.value, tracking.visit_day < today)
    query = select(tracking.patient_id, tracking.visit_day, tracking.consultation_id).where(
        or_(timer_is_late, unclosed)
    )
    # Newest first, so that old rows that can never be handled do not fill the limit.
    for row in connection.execute(query.order_by(tracking.id.desc()).limit(limit)):
        visit = visits.setdefault((row.patient_id, row.visit_day), LateVisit(row.patient_id, row.visit_day))
        if row.consultation_id is not None:
            visit.consultation_ids.append(row.consultation_id)
    waiting = waiting_line.c
    is_late = waiting.visit_day < today
    if offers_expire:
        is_late = or_(is_late, waiting.offered_until < late_since)
    for place in connection.execute(select(waiting.patient_id, waiting.visit_day).where(is_late).limit(limit)):
        visits.setdefault((place.patient_id, place.visit_day), LateVisit(place.patient_id, place.visit_day))
    return list(visits.values())


def prune(connection: Connection, keep_since: datetime, now: datetime) -> int:
    """Delete one batch of expired rows from each table, and events before `keep_since`. Returns the number of deleted rows.

    Call it again until the result is 0.
    """
    rows = sum(_delete_batch(connection, table, expired) for table, expired in _expired_rows(now))
    return rows + _prune_log(connection, keep_since)


def _expired_rows(now: datetime) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    # A stored command without an answer stays, because the sweep sends it again.
    answered = or_(requests.c.decided_at.is_not(None), requests.c.command.is_(None))
    yield requests, and_(requests.c.created_at < now - ANSWER_LIFETIME, answered)
    yield sessions, sessions.c.expires_at < now
    yield sign_in_attempts, sign_in_attempts.c.at < now - SIGN_IN_LIFETIME


def _prune_log(connection: Connection, keep_since: datetime) -> int:
    # Delete only up to the first event that stays. Workers' clocks differ, so a later position can have an earlier time.
    # Deleting events by time alone could leave a gap in the log, and a gap stops every subscriber.
    oldest_events = connection.execute(select(events.c.seq, events.c.at).order_by(events.c.seq).limit(PRUNE_BATCH))
    positions = [row.seq for row in takewhile(lambda row: row.at < keep_since, oldest_events)]
    return connection.execute(delete(events).where(events.c.seq <= positions[-1])).rowcount if positions else 0


def _delete_batch(connection: Connection, table: Table, expired: ColumnElement[bool]) -> int:
    (key,) = table.primary_key.columns
    batch = select(key).where(expired).order_by(key).limit(PRUNE_BATCH)
    return connection.execute(delete(table).where(key.in_(batch))).rowcount
