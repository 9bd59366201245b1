"""The protocols that a log must implement to be streamed."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol


class Entry(Protocol):
    """One event. `seq` is its position. `data` is sent unchanged. `at` (aware) is the time of the decision that it reports."""

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
    """The positions in the log at one moment: `oldest` to `head`, both included. In an empty log `oldest == head + 1`.

    Positions of different epochs cannot be compared.
    """

    @property
    def epoch(self) -> str: ...
    @property
    def oldest(self) -> int: ...
    @property
    def head(self) -> int: ...


class Page(Protocol):
    """Entries in order, with the bounds of the same snapshot.

    `entries` is complete up to `reached` for the requested channels. So a page of a quiet channel may be empty and still reach
    the head.
    """

    @property
    def entries(self) -> Sequence[Entry]: ...
    @property
    def reached(self) -> int: ...
    @property
    def bounds(self) -> Bounds: ...


class Log(Protocol):
    """An append-only log. Its positions have no gaps and become visible in order."""

    async def read_after(self, position: int, limit: int, channels: Collection[str] | None) -> Page:
        """Read at most `limit` entries after `position`, of these channels or (None) of all channels."""
        ...

    async def bounds(self) -> Bounds: ...


class LogHints(Protocol):
    """Hints that the log may have grown. A hint may be lost or wrong, so the tailer also reads without one."""

    async def wait_for_hint(self, within: float) -> bool:
        """Wait for a hint for `within` seconds at most. Return whether one came."""
        ...
