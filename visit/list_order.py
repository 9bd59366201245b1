"""The order of a doctor's list: who is called next, and why an item stands where it stands. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

#: A walk-in stands behind those who are booked for the next minutes.
WALK_IN_BEHIND = timedelta(minutes=15)
#: The place of an item without a priority: after those with priority 5.
NO_PRIORITY = 6

Why = Literal["priority", "booked", "late", "walk_in", "not_present"]


@dataclass(frozen=True)
class ListItem:
    """One appointment of a doctor today. `arrived_at` is None when the patient is not in the house."""

    appointment_id: int
    scheduled_at: datetime
    arrived_at: datetime | None = None
    is_walk_in: bool = False
    priority: int | None = None

    @property
    def effective_at(self) -> datetime:
        """The time that counts for the order."""
        if self.arrived_at is None:
            return self.scheduled_at
        return self.arrived_at + WALK_IN_BEHIND if self.is_walk_in else max(self.scheduled_at, self.arrived_at)

    @property
    def why(self) -> Why:
        """Why the item stands where it stands: the rule that moves it most."""
        if self.arrived_at is None:
            return "not_present"
        if self.priority is not None:
            return "priority"
        if self.is_walk_in:
            return "walk_in"
        return "late" if self.arrived_at > self.scheduled_at else "booked"


def order_of(items: Iterable[ListItem]) -> tuple[ListItem, ...]:
    """The items in the order of the list: priority, then effective time, then id."""
    return tuple(sorted(items, key=_place))


def _place(item: ListItem) -> tuple[int, datetime, int]:
    return item.priority or NO_PRIORITY, item.effective_at, item.appointment_id
