"""What a log must offer to be followed; it must not know any log there is."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol


class Entry(Protocol):
    """One event; `data` is text that goes to readers as it stands, `at` (aware) when what it tells of was decided."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def channel(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def data(self) -> str: ...


class Bounds(Protocol):
    """What the log holds at one moment: `oldest` to `head`, both included; an empty log has `oldest == head + 1`.

    Positions of different epochs have nothing to do with each other.
    """

    @property
    def epoch(self) -> str: ...
    @property
    def oldest(self) -> int: ...
    @property
    def head(self) -> int: ...


class Page(Protocol):
    """Entries in order, and the bounds read in the same snapshot.

    Nothing that was asked for lies between the position asked from and `reached`, beside `entries`: a page of a quiet
    channel may be empty and still reach the head.
    """

    @property
    def entries(self) -> Sequence[Entry]: ...
    @property
    def reached(self) -> int: ...
    @property
    def bounds(self) -> Bounds: ...


class Log(Protocol):
    """An append-only log with gapless positions, visible in their order."""

    async def read_after(self, position: int, limit: int, channels: Collection[str] | None) -> Page:
        """At most `limit` entries behind `position`, of these channels or (None) of all."""
        ...

    async def bounds(self) -> Bounds: ...


class Changes(Protocol):
    """A hint that the log may have grown. Hints may be lost and may be wrong: the tailer reads unasked as well."""

    async def changed(self, within: float) -> bool:
        """Wait for a hint, `within` seconds at most; whether there was one."""
        ...
