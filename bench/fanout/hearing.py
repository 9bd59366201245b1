"""What one connection was sent, checked number by number; it must not know sockets, nor when anything was sent."""

import re
from dataclasses import dataclass

#: A whole event: the number that it begins with, and the blank line that ends it. A part of one does not count.
EVENT = re.compile(rb'data: \{"number":(\d+),[^\n]*\}\n\n')
ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)
BLANK = b"\n\n"


@dataclass
class Faults:
    """How many events did not come, came again, or came after a later one."""

    missing: int = 0
    duplicate: int = 0
    reordered: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.duplicate or self.reordered)

    def add(self, other: "Faults") -> None:
        self.missing += other.missing
        self.duplicate += other.duplicate
        self.reordered += other.reordered


class Hearing:
    """Takes bytes in any portions, chunked or not, and expects each number from `first` on once and in order."""

    __slots__ = ("_duplicate", "_next", "_reordered", "_rest", "_skipped")

    def __init__(self, first: int) -> None:
        self._next = first
        self._rest = b""
        self._skipped: set[int] = set()
        self._duplicate = 0
        self._reordered = 0

    def feed(self, portion: bytes) -> list[int]:
        """The numbers of the events that this portion completes."""
        text = self._rest + portion if self._rest else portion
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
                self._note(number)
        return numbers

    def _note(self, number: int) -> None:
        if number >= self._next:
            self._skipped.update(range(self._next, number))
            self._next = number + 1
        elif number in self._skipped:
            self._skipped.discard(number)
            self._reordered += 1
        else:
            self._duplicate += 1

    def begin_again(self) -> None:
        """Another connection goes on where this one ended: what was cut through is not completed."""
        self._rest = b""

    def faults(self, last: int) -> Faults:
        """What went wrong, when every event up to `last` was due."""
        return Faults(len(self._skipped) + max(0, last + 1 - self._next), self._duplicate, self._reordered)


class Resuming(Hearing):
    """A hearing that knows, as a browser does, which id it would come back with."""

    __slots__ = ("_blocks", "last_id")

    def __init__(self, first: int) -> None:
        super().__init__(first)
        self._blocks = b""
        self.last_id = ""

    def feed(self, portion: bytes) -> list[int]:
        """As for any hearing; an id counts once its block is whole."""
        blocks = self._blocks + portion
        end = blocks.rfind(BLANK) + len(BLANK)
        if end >= len(BLANK):
            ids = ID.findall(blocks, 0, end)
            self.last_id = ids[-1].decode() if ids else self.last_id
            blocks = blocks[end:]
        self._blocks = blocks
        return super().feed(portion)

    def begin_again(self) -> None:
        """What was cut through is not completed."""
        super().begin_again()
        self._blocks = b""
