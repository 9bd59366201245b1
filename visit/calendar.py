"""The hospital's days, and how times are written."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The hospital's calendar date at the moment `at` (aware)."""
    return at.astimezone(zone).date()


def day_starts_at(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of the local `day`, in UTC.

    In some zones the clocks skip midnight. The day then begins at the moment of the change. `fold=0` gives the skipped
    time the old offset, which is this moment.
    """
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def day_ends_at(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which the local `day` is over, in UTC: 23, 24 or 25 hours after its start."""
    return day_starts_at(day + timedelta(days=1), zone)


def to_millisecond(at: datetime) -> datetime:
    """`at` in UTC, cut to milliseconds. The database and the answers have no finer times."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def to_rfc3339(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as in `2025-10-14T10:30:00.000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
