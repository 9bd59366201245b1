"""The hospital's days, and how times are written."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class HospitalDay:
    """One hospital day with its bounds. `ends_at` is the first moment of the next day.

    `yesterday_starts_at` is the first moment of the day before.
    """

    date: date
    starts_at: datetime
    ends_at: datetime
    yesterday_starts_at: datetime


@dataclass(frozen=True)
class HospitalCalendar:
    """The hospital's days. A day starts at the local time `day_starts`, and is named after the date on which it starts."""

    zone: ZoneInfo
    day_starts: time = time(4)

    def day_of(self, at: datetime) -> date:
        """The hospital day at the moment `at` (aware)."""
        local_date = at.astimezone(self.zone).date()
        return local_date if at >= self.starts_at(local_date) else local_date - timedelta(days=1)

    def starts_at(self, day: date) -> datetime:
        """The first moment of `day`, in UTC.

        When the clocks skip this local time, the day starts at the moment of the change: `fold=0` gives a skipped time the old
        offset, which is this moment. When the clocks repeat it, the day starts at the first of the two.
        """
        return datetime.combine(day, self.day_starts, self.zone).astimezone(UTC)

    def ends_at(self, day: date) -> datetime:
        """The moment at which `day` is over, in UTC: 23, 24 or 25 hours after its start."""
        return self.starts_at(day + timedelta(days=1))

    def hospital_day(self, day: date) -> HospitalDay:
        """The day with its bounds."""
        return HospitalDay(day, self.starts_at(day), self.ends_at(day), self.starts_at(day - timedelta(days=1)))

    def moment(self, day: date, local_time: time) -> datetime:
        """The moment of `day` with this local time, in UTC. A time before the day's start is in its last hours, after midnight."""
        is_after_midnight = local_time < self.day_starts
        local_date = day + timedelta(days=1) if is_after_midnight else day
        return datetime.combine(local_date, local_time, self.zone).astimezone(UTC)


def to_millisecond(at: datetime) -> datetime:
    """`at` in UTC, cut to milliseconds. The database and the answers have no finer times."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def to_rfc3339(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as in `2025-10-14T10:30:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
