"""Database queries of the sweep: visits with late work, and deletion of rows that are no longer needed."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import takewhile

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, literal_column, or_, select

from patient_visit_engine.storage.tables import (
    events,
    patient_trackings,
    requests,
    sessions,
    sign_in_attempts,
    waiting_line,
)
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from patient_visit_engine.visit.codes import TrackingStatus

PRUNE_BATCH = 1_000
#: How long the answer to an Idempotency-Key is stored. Clients rely on this, so no setting can shorten it.
ANSWER_LIFETIME = timedelta(days=7)
#: How long attempts to sign in are stored. They count only for `storage.accounts.ATTEMPT_LIFETIME`.
SIGN_IN_LIFETIME = timedelta(days=7)


def find_late_patients(
    connection: Connection, late_since: datetime, today: date, into_day: timedelta, limit: int, *, offers_expire: bool
) -> list[int]:
    """Return the patients with a timer due before `late_since`, or with something open that must pass to today's visit.

    `into_day` is the time since the start of the day. Each of the two queries reads at most `limit` rows. `offers_expire` is
    false when offers have no time limit.
    """
    tracking, waiting = patient_trackings.c, waiting_line.c
    timer_is_late = or_(
        tracking.remind_at < late_since, tracking.abandon_at < late_since, tracking.not_seen_at < late_since
    )
    is_open = tracking.status != literal_column(f"'{TrackingStatus.completed.value}'")
    late_trackings = or_(timer_is_late, _must_be_carried_over(tracking.visit_day, tracking.patient_id, today, into_day))
    # Newest first, so that old rows that can never be handled do not fill the limit.
    query = select(tracking.patient_id).where(is_open, late_trackings).order_by(tracking.id.desc()).limit(limit)
    late_places = _must_be_carried_over(waiting.visit_day, waiting.patient_id, today, into_day)
    if offers_expire:
        late_places = or_(late_places, waiting.offered_until < late_since)
    places = select(waiting.patient_id).where(late_places).limit(limit)
    return list(dict.fromkeys([*connection.scalars(query), *connection.scalars(places)]))


def _must_be_carried_over(
    visit_day: ColumnElement[date], patient_id: ColumnElement[int], today: date, into_day: timedelta
) -> ColumnElement[bool]:
    """Whether a row of an earlier day must pass to today's visit now. See `visit.carry_over.carry_over_delay`."""
    seconds = int(CARRY_OVER_WITHIN.total_seconds())
    return and_(visit_day < today, patient_id % seconds <= into_day.total_seconds())


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
