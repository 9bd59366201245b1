"""A change of the hospital day that happens while a test runs, on the real clock."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from patient_visit_engine.visit.calendar import HospitalCalendar

#: Without summer time, so each day has 24 hours.
ZONE = ZoneInfo("Africa/Algiers")
A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class DayChange:
    """The moment at which the old day ends and the new day starts."""

    moment: datetime

    @classmethod
    def within_minutes(cls, at_least: timedelta) -> "DayChange":
        """The change at the first full minute that is `at_least` this far away: `VISIT_DAY_STARTS` has no seconds."""
        earliest = datetime.now(UTC) + at_least
        return cls(earliest.replace(second=0, microsecond=0) + A_MINUTE)

    @property
    def settings(self) -> dict[str, str]:
        """The engine's settings under which the day changes at this moment."""
        return {"timezone": ZONE.key, "day_starts": f"{self.moment.astimezone(ZONE):%H:%M}"}

    @property
    def new_day(self) -> date:
        return HospitalCalendar(ZONE, self.moment.astimezone(ZONE).time()).day_of(self.moment)

    @property
    def old_day(self) -> date:
        return self.new_day - timedelta(days=1)

    def is_nearer_than(self, seconds: float) -> bool:
        """Whether the change comes in less than this time, or has come."""
        return datetime.now(UTC) > self.moment - timedelta(seconds=seconds)

    async def wait_until(self, seconds: float) -> None:
        """Wait until this many seconds after the change; before it, if negative."""
        pause = self.moment + timedelta(seconds=seconds) - datetime.now(UTC)
        await asyncio.sleep(max(0.0, pause.total_seconds()))
