"""Events as bytes, encoded once and kept for a while for whoever is behind; it must not know who reads them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sse_starlette.event import ServerSentEvent

from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.log import Entry


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it goes over the wire."""

    seq: int
    channel: str
    body: bytes


def encode(data: str, *, name: str | None = None, cursor: str | None = None, retry: float | None = None) -> bytes:
    """A block of the stream; `retry` in seconds."""
    milliseconds = None if retry is None else round(retry * 1000)
    return ServerSentEvent(data, event=name, id=cursor, retry=milliseconds, sep="\n").encode()


def encode_retry(retry: float) -> bytes:
    """A block that dispatches nothing and tells the browser how many seconds to wait before it comes back."""
    return ServerSentEvent(retry=round(retry * 1000), sep="\n").encode()


def frame(entry: Entry, epoch: str) -> Frame:
    """The entry's bytes, the same for every reader."""
    body = encode(entry.data, name=entry.name, cursor=write_cursor(epoch, entry.seq))
    return Frame(entry.seq, entry.channel, body)


def runs(frames: Iterable[Frame], most: int) -> Iterator[list[Frame]]:
    """Neighbours of one channel, together as long as they stay within `most` bytes: one write each instead of several."""
    run: list[Frame] = []
    size = 0
    for one in frames:
        if run and (one.channel != run[0].channel or size + len(one.body) > most):
            yield run
            run, size = [], 0
        run.append(one)
        size += len(one.body)
    if run:
        yield run


def joined(frames: Sequence[Frame]) -> bytes:
    """One body; a single frame's own bytes are not copied."""
    return frames[0].body if len(frames) == 1 else b"".join(one.body for one in frames)


class Ring:
    """The newest frames, without gaps, bounded by number and bytes."""

    def __init__(self, frames: int, size: int) -> None:
        self._slots: list[Frame | None] = [None] * frames
        self._most = size
        self._size = 0
        self.oldest = 1
        self.newest = 0

    def clear(self, position: int) -> None:
        """Forget all; the next frame is the one behind `position`."""
        self._slots = [None] * len(self._slots)
        self._size = 0
        self.oldest, self.newest = position + 1, position

    def append(self, one: Frame) -> None:
        if one.seq != self.newest + 1:
            raise ValueError(f"frame {one.seq} does not follow {self.newest}")
        if self.newest - self.oldest + 1 == len(self._slots):
            self._forget_oldest()
        self._slots[one.seq % len(self._slots)] = one
        self._size += len(one.body)
        self.newest = one.seq
        while self._size > self._most and self.oldest < self.newest:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._size -= len(self[self.oldest].body)
        self._slots[self.oldest % len(self._slots)] = None
        self.oldest += 1

    def __getitem__(self, seq: int) -> Frame:
        kept = self._slots[seq % len(self._slots)]
        if kept is None or kept.seq != seq:
            raise KeyError(seq)
        return kept

    def follows(self, position: int) -> bool:
        """Whether everything behind `position` is here."""
        return position + 1 >= self.oldest
