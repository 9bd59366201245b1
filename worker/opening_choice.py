"""Chooses the visits to open before they are needed, and how many at a time. It reads no clock and opens nothing."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from patient_visit_engine.visit.calendar import HospitalCalendar

#: How long after its time an appointment's visit is still opened. Doctors run late, and nothing is opened during an outage.
LATE_BY = timedelta(hours=1)
#: In the last minutes of a day no visit is opened. A visit would cost as much as at noon, and its day would soon be over.
NOT_BEFORE_DAY_END = timedelta(minutes=15)
SECONDS_OF_LIMIT = 60.0


@dataclass(frozen=True)
class OpeningLimits:
    """How many openings one worker sends.

    One step must not keep the server from the staff. A worker that starts at the busiest time finds hundreds of appointments, and
    its first minute should cost no more than any other. Sixty openings a minute take a fortieth of one core, and serve 3,000
    appointments an hour.
    """

    per_step: int = 10
    per_minute: int = 60
    #: An opening takes some milliseconds. After one that takes this long, the worker pauses: the server or its database is busy, here or
    #: on another machine.
    slow_seconds: float = 0.25
    #: How many opened visits a worker remembers. A forgotten one costs a call to the server that changes nothing.
    remembered: int = 20_000


class OpeningPeriod(NamedTuple):
    """The appointments of `day` from `since` until before `until`."""

    day: date
    since: datetime
    until: datetime


class OpeningChoice:
    """The visits that one worker has opened, and the choice of those to open next.

    `ahead` is how long before its appointment a visit is opened. 0: no visit is.
    """

    def __init__(self, calendar: HospitalCalendar, ahead: timedelta, limits: OpeningLimits | None = None) -> None:
        self._calendar = calendar
        self._ahead = ahead
        self.limits = limits or OpeningLimits()
        #: The day of the last opened visit of each patient, the oldest opening first.
        self._opened: dict[int, date] = {}
        #: The times of the openings of the last minute.
        self._sent_at: deque[float] = deque()

    @property
    def is_off(self) -> bool:
        return self._ahead <= timedelta(0)

    def find_period(self, now: datetime) -> OpeningPeriod | None:
        """The appointments of which the visits should be open now, or None near the end of the day.

        Only those of today. A visit that is opened before its day would take over what is open from the day before too early.
        """
        day = self._calendar.day_of(now)
        day_ends_at = self._calendar.ends_at(day)
        if self.is_off or now >= day_ends_at - NOT_BEFORE_DAY_END:
            return None
        since = max(now - LATE_BY, self._calendar.starts_at(day))
        return OpeningPeriod(day, since, min(now + self._ahead, day_ends_at))

    def choose(self, patient_ids: Iterable[int], day: date, at: float) -> list[int]:
        """The patients whose visits to open now, in the given order and within the limits.

        `at` and the times of `note_sent` are seconds of a clock that never goes back.
        """
        while self._sent_at and self._sent_at[0] <= at - SECONDS_OF_LIMIT:
            self._sent_at.popleft()
        left = min(self.limits.per_step, self.limits.per_minute - len(self._sent_at))
        not_opened = dict.fromkeys(patient for patient in patient_ids if self._opened.get(patient) != day)
        return list(not_opened)[: max(left, 0)]

    def note_sent(self, at: float) -> None:
        """Count an opening, whether or not it succeeds."""
        self._sent_at.append(at)

    def note_open(self, patient_id: int, day: date) -> None:
        """Do not choose this visit again."""
        self._opened.pop(patient_id, None)
        self._opened[patient_id] = day
        if len(self._opened) > self.limits.remembered:
            del self._opened[next(iter(self._opened))]
