"""Checks that every event comes once and in order. A replay and the benchmark of the stream use the same check."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass
class Faults:
    """How many events did not come, came twice, or came after a later one."""

    missing: int = 0
    duplicate: int = 0
    reordered: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.duplicate or self.reordered)

    def add(self, other: "Faults") -> None:
        self.missing += other.missing
        self.duplicate += other.duplicate
        self.reordered += other.reordered


class OrderCheck:
    """Follows the numbers of the events that one subscriber receives. The first expected number is `first`.

    It keeps only the numbers that were skipped, so that a long stream needs no more memory than a short one.
    """

    __slots__ = ("_duplicate", "_next", "_reordered", "_skipped")

    def __init__(self, first: int) -> None:
        self._next = first
        self._skipped: set[int] = set()
        self._duplicate = 0
        self._reordered = 0

    def record(self, numbers: Sequence[int]) -> None:
        """Record the next numbers, in the order of arrival."""
        after = self._next + len(numbers)
        if numbers == list(range(self._next, after)):
            self._next = after
        else:
            for number in numbers:
                self._record_one(number)

    def _record_one(self, number: int) -> None:
        if number >= self._next:
            self._skipped.update(range(self._next, number))
            self._next = number + 1
        elif number in self._skipped:
            self._skipped.discard(number)
            self._reordered += 1
        else:
            self._duplicate += 1

    def faults(self, last: int) -> Faults:
        """The faults when every event up to number `last` was expected."""
        return Faults(len(self._skipped) + max(0, last + 1 - self._next), self._duplicate, self._reordered)


@dataclass(frozen=True)
class DeliveryCheck:
    """The events that a subscriber received, compared with the log of its channels."""

    name: str
    expected: int
    received: int
    faults: Faults
    #: Events that are not in the log of its channels.
    unexpected: int

    @property
    def passed(self) -> bool:
        return not (self.faults or self.unexpected)


def check_delivery(name: str, received: Sequence[int], published: Iterable[int]) -> DeliveryCheck:
    """Compare the received positions, in the order of arrival, with the published positions of the subscriber's channels."""
    # Positions have gaps, because the log has events of other channels too. The published events are numbered without gaps.
    number_of = {position: number for number, position in enumerate(sorted(set(published)))}
    order = OrderCheck(0)
    order.record([number_of[position] for position in received if position in number_of])
    return DeliveryCheck(
        name=name,
        expected=len(number_of),
        received=len(received),
        faults=order.faults(len(number_of) - 1),
        unexpected=len(set(received) - number_of.keys()),
    )
