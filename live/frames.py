"""Events as bytes: each is encoded once, and the newest stay in memory for subscribers that are behind."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sse_starlette.event import ServerSentEvent

from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.log import Entry


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it is sent. `seq` is its position in the log."""

    seq: int
    channel: str
    body: bytes


def encode(data: str, *, name: str | None = None, cursor: str | None = None, retry: float | None = None) -> bytes:
    """Encode one block of the stream. `retry` is in seconds."""
    milliseconds = None if retry is None else round(retry * 1000)
    return ServerSentEvent(data, event=name, id=cursor, retry=milliseconds, sep="\n").encode()


def encode_retry(retry: float) -> bytes:
    """Encode a block without an event. It sets how many seconds the browser waits before it reconnects."""
    return ServerSentEvent(retry=round(retry * 1000), sep="\n").encode()


def encode_entry(entry: Entry, epoch: str) -> Frame:
    """Encode a log entry. The bytes are the same for every subscriber."""
    body = encode(entry.data, name=entry.name, cursor=write_cursor(epoch, entry.seq))
    return Frame(entry.seq, entry.channel, body)


def group_by_channel(frames: Iterable[Frame], max_bytes: int) -> Iterator[list[Frame]]:
    """Group consecutive frames of the same channel, up to `max_bytes` a group. A group is sent with one write."""
    group: list[Frame] = []
    size = 0
    for frame in frames:
        if group and (frame.channel != group[0].channel or size + len(frame.body) > max_bytes):
            yield group
            group, size = [], 0
        group.append(frame)
        size += len(frame.body)
    if group:
        yield group


def join_bodies(frames: Sequence[Frame]) -> bytes:
    """Return one body for all frames. The bytes of a single frame are not copied."""
    return frames[0].body if len(frames) == 1 else b"".join(frame.body for frame in frames)


class Ring:
    """The newest frames without gaps, limited by number and by bytes."""

    def __init__(self, frames: int, max_bytes: int) -> None:
        self._slots: list[Frame | None] = [None] * frames
        self._max_bytes = max_bytes
        self._size = 0
        self.oldest = 1
        self.newest = 0

    def clear(self, position: int) -> None:
        """Drop all frames. The next frame must be the one after `position`."""
        self._slots = [None] * len(self._slots)
        self._size = 0
        self.oldest, self.newest = position + 1, position

    def append(self, frame: Frame) -> None:
        """Add the next frame. Raises ValueError when it does not follow the newest one."""
        if frame.seq != self.newest + 1:
            raise ValueError(f"frame {frame.seq} does not follow {self.newest}")
        if self.newest - self.oldest + 1 == len(self._slots):
            self._drop_oldest()
        self._slots[frame.seq % len(self._slots)] = frame
        self._size += len(frame.body)
        self.newest = frame.seq
        while self._size > self._max_bytes and self.oldest < self.newest:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._size -= len(self[self.oldest].body)
        self._slots[self.oldest % len(self._slots)] = None
        self.oldest += 1

    def __getitem__(self, seq: int) -> Frame:
        frame = self._slots[seq % len(self._slots)]
        if frame is None or frame.seq != seq:
            raise KeyError(seq)
        return frame

    def covers(self, position: int) -> bool:
        """Return whether the ring has every event after `position`."""
        return position + 1 >= self.oldest
