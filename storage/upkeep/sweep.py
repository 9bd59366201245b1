"""Database queries of the sweep: rows that visits have not handled in time, and deletion of old rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, exists, or_, select

from patient_visit_engine.storage.tables import (
    events,
    patient_trackings,
    requests,
    reservations,
    sessions,
    sign_in_places,
    waiting_line,
)
from patient_visit_engine.storage.tracking_conditions import IS_OPEN, IS_PENDING, IS_RUNNING, has_status
from patient_visit_engine.visit.codes import TrackingStatus

PRUNE_BATCH = 1_000
#: How long the answer to an Idempotency-Key is stored. Clients rely on this, so no setting can shorten it.
ANSWER_LIFETIME = timedelta(days=7)
#: How long the address of a sign-in is stored after the last sign-in there. The API uses it for a month.
PLACE_LIFETIME = timedelta(days=31)


@dataclass(frozen=True)
class LateRow:
    """A row that its visit has not handled in time. `key` is its place in the order of its query.

    `patient_id` is the survivor: no visit of a retired record handles anything.
    """

    key: int
    patient_id: int


def find_late_trackings(connection: Connection, late_since: datetime, after: int | None, limit: int) -> list[LateRow]:
    """Return the consultations, running or paused, and the check-ins with a timer that was due before `late_since`."""
    tracking = patient_trackings.c
    consultation_is_late = and_(
        IS_RUNNING,
        or_(tracking.remind_at < late_since, tracking.abandon_at < late_since),
    )
    check_in_is_late = and_(IS_PENDING, tracking.not_seen_at < late_since)
    pause_is_late = and_(has_status(TrackingStatus.paused), tracking.abandon_at < late_since)
    is_late = or_(consultation_is_late, check_in_is_late, pause_is_late)
    query = select(tracking.id, tracking.person_id).where(IS_OPEN, is_late)
    return read_page(connection, query, tracking.id, after, limit)


def find_late_reservations(
    connection: Connection, late_since: datetime, after: int | None, limit: int
) -> list[LateRow]:
    """Return the reservations that were over before `late_since`: offers, transfers and calls.

    The patient may have no tracking, and the doctor no place in line.
    """
    reserved = reservations.c
    query = select(reserved.person_id, reserved.person_id.label("patient_id")).where(reserved.until < late_since)
    return read_page(connection, query, reserved.person_id, after, limit)


def find_unserved_places(
    connection: Connection, late_since: datetime, after: int | None, limit: int, *, offers_expire: bool
) -> list[LateRow]:
    """Return the places in line that have waited for a free patient without an offer since before `late_since`.

    `offers_expire` is false when offers have no time limit: then a line that was notified is served.
    """
    place, other_place, tracking = waiting_line.c, waiting_line.alias().c, patient_trackings.c
    line_was_notified = exists().where(other_place.person_id == place.person_id, other_place.notified_at.is_not(None))
    is_reserved = exists().where(reservations.c.person_id == place.person_id)
    person_is_busy = exists().where(
        tracking.person_id == place.person_id,
        IS_RUNNING,
        tracking.exclusive,
    )
    is_unserved = and_(place.since < late_since, ~is_reserved, ~person_is_busy)
    if not offers_expire:
        is_unserved = and_(is_unserved, ~line_was_notified)
    query = select(place.id, place.person_id).where(is_unserved)
    return read_page(connection, query, place.id, after, limit)


def read_page(
    connection: Connection, query: Select[Any], key: ColumnElement[int], after: int | None, limit: int
) -> list[LateRow]:
    """Run the query from the row after the key `after` on. Its columns are the fields of `LateRow`."""
    if after is not None:
        query = query.where(key > after)
    return [LateRow(*row) for row in connection.execute(query.order_by(key).limit(limit))]


def prune(connection: Connection, keep_since: datetime, now: datetime) -> int:
    """Delete one batch of expired rows from each table, and events before `keep_since`. Returns the number of deleted rows.

    Call it again until the result is 0.
    """
    rows = sum(_delete_batch(connection, table, expired) for table, expired in _expired_rows(now))
    return rows + _prune_log(connection, keep_since)


def _expired_rows(now: datetime) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    since = now - ANSWER_LIFETIME
    # A stored command without an answer stays, because the sweep sends it again, unless it was set aside.
    undecided_reason = and_(requests.c.decided_at.is_(None), requests.c.command.is_(None))
    is_finished = or_(requests.c.decided_at < since, undecided_reason, requests.c.set_aside_at < since)
    # The age comes first: it has an index.
    yield requests, and_(requests.c.created_at < since, is_finished)
    yield sessions, sessions.c.expires_at < now
    yield sign_in_places, sign_in_places.c.seen_at < now - PLACE_LIFETIME


def _prune_log(connection: Connection, keep_since: datetime) -> int:
    # Delete only up to the first event that stays. Workers' clocks differ, so a later position can have an earlier time.
    # Deleting events by time alone could leave a gap in the log, and a gap stops every subscriber.
    oldest_events = connection.execute(select(events.c.seq, events.c.at).order_by(events.c.seq).limit(PRUNE_BATCH))
    positions = [row.seq for row in takewhile(lambda row: row.at < keep_since, oldest_events)]
    return connection.execute(delete(events).where(events.c.seq <= positions[-1])).rowcount if positions else 0


def _delete_batch(connection: Connection, table: Table, expired: ColumnElement[bool]) -> int:
    (key,) = table.primary_key.columns
    # Another worker may delete the same rows at the same time. Each worker skips the rows that the other has locked.
    batch = select(key).where(expired).order_by(key).limit(PRUNE_BATCH).with_for_update(skip_locked=True)
    keys = connection.scalars(batch).all()
    return connection.execute(delete(table).where(key.in_(keys))).rowcount if keys else 0
