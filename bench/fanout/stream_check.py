"""Checks the bytes of one stream: each numbered event must come once and in order."""

import re

from patient_visit_engine.cli.replay.delivery import OrderCheck

#: A whole event: its data begins with the number, and a blank line ends it. A partial event does not match.
EVENT = re.compile(rb'data: \{"number":(\d+),[^\n]*\}\n\n')
ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)
BLANK = b"\n\n"


class StreamCheck(OrderCheck):
    """Reads the stream of one subscriber in chunks of any size. The first expected number is `first`."""

    __slots__ = ("_rest",)

    def __init__(self, first: int) -> None:
        super().__init__(first)
        self._rest = b""

    def feed(self, chunk: bytes) -> list[int]:
        """The numbers of the events that this chunk completes."""
        text = self._rest + chunk if self._rest else chunk
        end = text.rfind(BLANK) + len(BLANK)
        if end < len(BLANK):
            self._rest = text
            return []
        self._rest = text[end:]
        numbers = list(map(int, EVENT.findall(text, 0, end)))
        self.record(numbers)
        return numbers

    def start_new_connection(self) -> None:
        """Forget the partial event of the old connection. The expected numbers continue."""
        self._rest = b""


class ResumingStreamCheck(StreamCheck):
    """A stream check that also keeps the newest event id for `Last-Event-ID`, as a browser does."""

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
