"""Checks the bytes of one stream: each numbered event must come once and in order."""

import re
from dataclasses import dataclass

#: A whole event: its data begins with the number, and a blank line ends it. A partial event does not match.
EVENT = re.compile(rb'data: \{"number":(\d+),[^\n]*\}\n\n')
ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)
BLANK = b"\n\n"


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


class DeliveryCheck:
    """Reads the stream of one subscriber in chunks of any size. The first expected number is `first`."""

    __slots__ = ("_duplicate", "_next", "_reordered", "_rest", "_skipped")

    def __init__(self, first: int) -> None:
        self._next = first
        self._rest = b""
        self._skipped: set[int] = set()
        self._duplicate = 0
        self._reordered = 0

    def feed(self, chunk: bytes) -> list[int]:
        """The numbers of the events that this chunk completes."""
        text = self._rest + chunk if self._rest else chunk
        end = text.rfind(BLANK) + len(BLANK)
        if end < len(BLANK):
            self._rest = text
            return []
        self._rest = text[end:]
        numbers = list(map(int, EVENT.findall(text, 0, end)))
        after = self._next + len(numbers)
        if numbers == list(range(self._next, after)):
            self._next = after
        else:
            for number in numbers:
                self._record(number)
        return numbers

    def _record(self, number: int) -> None:
        if number >= self._next:
            self._skipped.update(range(self._next, number))
            self._next = number + 1
        elif number in self._skipped:
            self._skipped.discard(number)
            self._reordered += 1
        else:
            self._duplicate += 1

    def start_new_connection(self) -> None:
        """Forget the partial event of the old connection. The expected numbers continue."""
        self._rest = b""

    def faults(self, last: int) -> Faults:
        """The faults when every event up to number `last` was expected."""
        return Faults(len(self._skipped) + max(0, last + 1 - self._next), self._duplicate, self._reordered)


class ResumingDeliveryCheck(DeliveryCheck):
    """A delivery check that also keeps the newest event id for `Last-Event-ID`, as a browser does."""

    __slots__ = ("_blocks", "last_id")

    def __init__(self, first: int) -> None:
        super().__init__(first)
        self._blocks = b""
        self.last_id = ""

    def feed(self, chunk: bytes) -> list[int]:
        """The numbers of the events that this chunk completes. An id counts when its event is complete."""
        blocks = self._blocks + chunk
        end = blocks.rfind(BLANK) + len(BLANK)
        if end >= len(BLANK):
            ids = ID.findall(blocks, 0, end)
            self.last_id = ids[-1].decode() if ids else self.last_id
            blocks = blocks[end:]
        self._blocks = blocks
        return super().feed(chunk)

    def start_new_connection(self) -> None:
        super().start_new_connection()
        self._blocks = b""
