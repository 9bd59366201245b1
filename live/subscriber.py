"""One reader of the stream: who it is, what it may read, how far it is; it must not know the log or the other readers."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.window import Window

Message = dict[str, Any]
#: An ASGI `send`. What stands in front of it must not write into a message: one object goes to all readers.
SendMessage = Callable[[Message], Coroutine[Any, Any, None]]


class StreamConnection(Protocol):
    """What a server's connection can do that ASGI has no word for."""

    def offer(self, content: bytes) -> bool:
        """Write a part of the stream at once; False, and nothing written, where that is for `send` to do, or to wait for."""

    def abort(self) -> None:
        """Close now, with what it still holds unsent: to be sent off in order, the other end would have to read."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who asks to read. `may_read` is asked for every event; at `ends_at` (aware) the right to read is over."""

    user: str
    session: str
    name: str
    role: str
    channels: frozenset[str]
    may_read: Callable[[str], bool]
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """One connected reader as others may see it; `behind` in events, `cursor` as the reader's next resume would name it."""

    user: str
    name: str
    role: str
    since: datetime
    cursor: str
    behind: int
    live: bool


class Subscriber:
    """A cursor and a connection. While `live`, the cursor is the hub's own position and `cursor` here is not kept up."""

    __slots__ = (
        "connection",
        "cursor",
        "deadline",
        "ended",
        "following",
        "live",
        "number",
        "reader",
        "release",
        "send",
        "since",
        "task",
        "was_live",
        "writing_since",
    )

    def __init__(
        self,
        reader: Subscription,
        since: datetime,
        deadline: float,
        send: SendMessage,
        release: Callable[[], object],
        connection: StreamConnection | None = None,
    ) -> None:
        self.reader = reader
        self.since = since
        self.deadline = deadline
        self.send = send
        self.release = release
        self.connection = connection
        #: Given by the hub: no other reader of this process ever has it.
        self.number = 0
        self.cursor = 0
        self.live = False
        self.was_live = False
        #: Why the stream is over; None while it is not.
        self.ended: str | None = None
        #: Since when a write waits for the connection; None while none does.
        self.writing_since: float | None = None
        #: Whether the response has begun, so that it can be ended with a last message.
        self.following = False
        self.task: asyncio.Task[None] | None = None

    def may_have(self, channel: str, time: float) -> bool:
        """Whether an event of this channel is for this reader at this moment of the loop's time: asked for, allowed, and not over."""
        return channel in self.reader.channels and time < self.deadline and self.reader.may_read(channel)

    def presence(self, window: Window, *, in_sight: bool = True) -> Presence:
        """This reader as others may see it now; nobody is level with a log that is out of sight."""
        cursor = window.position if self.live else self.cursor
        return Presence(
            user=self.reader.user,
            name=self.reader.name,
            role=self.reader.role,
            since=self.since,
            cursor=write_cursor(window.epoch, cursor),
            behind=max(0, window.position - cursor),
            live=self.live and in_sight,
        )


def body(content: bytes, *, more: bool = True) -> Message:
    """The ASGI message for a part of the stream."""
    return {"type": "http.response.body", "body": content, "more_body": more}
