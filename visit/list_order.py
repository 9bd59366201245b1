"""The order of a doctor's list: who is called next, and why an item stands where it stands. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

#: A walk-in stands behind those who are booked for the next minutes.
WALK_IN_BEHIND = timedelta(minutes=15)
#: A patient who has not answered this many calls is no longer called, and the desk looks for the patient.
MAX_NO_ANSWERS = 3
#: The place of an item without a priority: after those with priority 5.
NO_PRIORITY = 6

Why = Literal["priority", "booked", "late", "walk_in", "no_answer", "for_desk", "not_present"]


@dataclass(frozen=True)
class ListItem:
    """One appointment of a doctor today. `arrived_at` is None when the patient is not in the house.

    `can_begin`: it has not begun, and is not over.
    `behind_id` is the appointment behind which a patient stands who has not answered a call, and `called_at` is the time of the last
    call.
    """

    appointment_id: int
    scheduled_at: datetime
    arrived_at: datetime | None = None
    is_walk_in: bool = False
    priority: int | None = None
    no_answers: int = 0
    behind_id: int | None = None
    called_at: datetime | None = None
    can_begin: bool = True

    @property
    def effective_at(self) -> datetime:
        """The time that counts for the order."""
        if self.arrived_at is None:
            return self.scheduled_at
        return self.arrived_at + WALK_IN_BEHIND if self.is_walk_in else max(self.scheduled_at, self.arrived_at)

    @property
    def is_callable(self) -> bool:
        """Whether the patient can be called. Whether the patient is free is another question."""
        return self.can_begin and self.arrived_at is not None and self.no_answers < MAX_NO_ANSWERS

    @property
    def why(self) -> Why:
        """Why the item stands where it stands: the rule that moves it most."""
        if self.arrived_at is None:
            return "not_present"
        if self.no_answers:
            return "no_answer" if self.no_answers < MAX_NO_ANSWERS else "for_desk"
        if self.priority is not None:
            return "priority"
        if self.is_walk_in:
            return "walk_in"
        return "late" if self.arrived_at > self.scheduled_at else "booked"


def order_of(items: Iterable[ListItem]) -> tuple[ListItem, ...]:
    """The items in the order of the list: priority, then effective time, then id.

    A patient who has not answered a call stands directly behind the patient who was next then, while that one can be called. So
    items that have begun or are over change nothing in the order of the others.
    """
    by_rule = sorted(items, key=_place)
    moved = [item for item in by_rule if _stands_behind(item, by_rule)]
    ordered = [item for item in by_rule if item not in moved]
    while moved:
        placed = {item.appointment_id: number for number, item in enumerate(ordered)}
        # Each stands behind one who was called before, so they are never in a circle.
        item = next(item for item in moved if item.behind_id in placed)
        ordered.insert(placed[item.behind_id or 0] + 1, item)
        moved.remove(item)
    return tuple(ordered)


def next_callable(items: Sequence[ListItem], appointment_id: int) -> int | None:
    """The appointment that is called after this one, in an ordered list. None: there is no other one."""
    ids = [item.appointment_id for item in items]
    after = ids.index(appointment_id) if appointment_id in ids else -1
    later = [*items[after + 1 :], *items[: after + 1]]
    callable_ids = (item.appointment_id for item in later if item.is_callable and item.appointment_id != appointment_id)
    return next(callable_ids, None)


def _place(item: ListItem) -> tuple[int, datetime, int]:
    return item.priority or NO_PRIORITY, item.effective_at, item.appointment_id


def _stands_behind(item: ListItem, items: Sequence[ListItem]) -> bool:
    """Whether the patient waits until another one, who can still be called, is called."""
    if not 0 < item.no_answers < MAX_NO_ANSWERS or item.called_at is None:
        return False
    next_patients = (other for other in items if other.appointment_id == item.behind_id and other.is_callable)
    return any(other.called_at is None or other.called_at < item.called_at for other in next_patients)
