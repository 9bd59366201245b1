"""How the trackings of persons ended on a day, apart from mistakes. This says who has left the house."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import BigInteger, Connection, Date, bindparam, select

from patient_visit_engine.storage.expected_patients import read_expected
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.storage.tracking_conditions import HAS_ENDED, IS_NO_MISTAKE
from patient_visit_engine.visit.codes import GONE, Outcome

_TRACKING = patient_trackings.c
_ENDED = select(_TRACKING.person_id, _TRACKING.outcome, _TRACKING.check_in_time, _TRACKING.visit_day).where(HAS_ENDED)
_IN_ORDER = (_TRACKING.check_out_time, _TRACKING.id)
#: The trackings of a person that ended on one of two days, mistakes too. In one statement, because each call reads it.
_OF_TWO_DAYS = _ENDED.where(
    _TRACKING.person_id == bindparam("person", type_=BigInteger()),
    _TRACKING.visit_day >= bindparam("yesterday", type_=Date()),
    _TRACKING.visit_day <= bindparam("today", type_=Date()),
).order_by(*_IN_ORDER)


@dataclass(frozen=True)
class Departure:
    """The last tracking of a person that has ended on a day, with the person's first arrival."""

    arrived_at: datetime
    outcome: str

    @property
    def is_gone(self) -> bool:
        """Whether the person left with it. After a consultation a person can have another appointment."""
        return self.outcome in GONE


def read_departures(connection: Connection, day: date, person_ids: Collection[int] | None) -> dict[int, Departure]:
    """The last departure of each of these persons on the day. None: of all persons."""
    if person_ids is not None and not person_ids:
        return {}
    ended = _ENDED.where(_TRACKING.visit_day == day, IS_NO_MISTAKE)
    if person_ids is not None:
        ended = ended.where(_TRACKING.person_id.in_(person_ids))
    departures: dict[int, Departure] = {}
    for row in connection.execute(ended.order_by(*_IN_ORDER)):
        earlier = departures.get(row.person_id)
        arrived_at = row.check_in_time if earlier is None else min(row.check_in_time, earlier.arrived_at)
        departures[row.person_id] = Departure(arrived_at, row.outcome)
    return departures


def read_has_left(
    connection: Connection,
    person_id: int,
    today: date,
    day_starts_at: datetime | None,
    yesterday_starts_at: datetime | None,
) -> bool:
    """Whether this person, for whom nothing is open, is not in the house any more. Read it under the lock on the person.

    As on the screens, an arrival that was a mistake counts for nothing. Then it depends on yesterday, because a person can be
    between two services when a day begins. `day_starts_at` is the first moment of today, if it is known. A visit
    of an older program does not have `yesterday_starts_at`. Then yesterday counts as 24 hours.
    """
    values = {"person": person_id, "yesterday": today - timedelta(days=1), "today": today}
    rows = connection.execute(_OF_TWO_DAYS, values).all()
    last = next((row for row in reversed(rows) if row.outcome != Outcome.mistaken), None)
    came_today = any(row.visit_day == today for row in rows)
    if last is None:
        return came_today
    if last.outcome in GONE or last.visit_day == today or not came_today or day_starts_at is None:
        return last.outcome in GONE
    # Seen yesterday, and here today only by mistake. An appointment of yesterday that has not begun keeps the person in the house.
    starts_at = yesterday_starts_at or day_starts_at - timedelta(days=1)
    return not read_expected(connection, starts_at, day_starts_at, [person_id])
