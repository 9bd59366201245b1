"""A subscription (who asks, and what they may read) and a subscriber (one open stream)."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.window import Window

Message = dict[str, Any]
#: An ASGI `send`. Middleware must not change a message, because one message object goes to all subscribers.
SendMessage = Callable[[Message], Coroutine[Any, Any, None]]


class StreamConnection(Protocol):
    """What a server's connection can do beyond ASGI."""

    def try_write(self, content: bytes) -> bool:
        """Write a part of the response immediately. Return False, without writing, when the write must wait or needs `send`."""

    def abort(self) -> None:
        """Close now and drop unsent bytes. An orderly close would wait until the client reads."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who asks for a stream, and what they may read.

    `may_read` is called for every event. The stream ends at `ends_at` (aware), when the right to read ends.
    """

    user: str
    session: str
    name: str
    role: str
    channels: frozenset[str]
    may_read: Callable[[str], bool]
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """One connected subscriber as other users see it. `cursor` is where the subscriber would resume."""

    user: str
    name: str
    role: str
    since: datetime
    cursor: str
    events_behind: int
    live: bool


class Subscriber:
    """One open stream: a position in the log and a connection.

    While the subscriber is live, its position is the window's position. The position stored here is updated only
    while the subscriber is behind.
    """

    __slots__ = (
        "connection",
        "deadline",
        "end_connection",
        "end_reason",
        "live",
        "number",
        "position",
        "send",
        "since",
        "started",
        "subscription",
        "task",
        "was_live",
        "writing_since",
    )

    def __init__(
        self,
        subscription: Subscription,
        since: datetime,
        deadline: float,
        send: SendMessage,
        end_connection: Callable[[], object],
        connection: StreamConnection | None = None,
    ) -> None:
        self.subscription = subscription
        self.since = since
        self.deadline = deadline
        self.send = send
        self.end_connection = end_connection
        self.connection = connection
        #: Set by the hub. It is unique in this process.
        self.number = 0
        self.position = 0
        self.live = False
        self.was_live = False
        #: Why the stream ended. None while it is open.
        self.end_reason: str | None = None
        #: The loop's time since which a write waits for the connection. None while no write waits.
        self.writing_since: float | None = None
        #: Whether the response has started, so that it can be completed with a last message.
        self.started = False
        self.task: asyncio.Task[None] | None = None

    def may_receive(self, channel: str, loop_time: float) -> bool:
        """Return whether this subscriber requested the channel, may read it, and has not expired at `loop_time`."""
        return (
            channel in self.subscription.channels and loop_time < self.deadline and self.subscription.may_read(channel)
        )

    def presence(self, window: Window, *, log_is_fresh: bool = True) -> Presence:
        """Return this subscriber as others see it now. No subscriber counts as live while the log is stale."""
        position = window.position if self.live else self.position
        return Presence(
            user=self.subscription.user,
            name=self.subscription.name,
            role=self.subscription.role,
            since=self.since,
            cursor=write_cursor(window.epoch, position),
            events_behind=max(0, window.position - position),
            live=self.live and log_is_fresh,
        )


def body(content: bytes, *, more: bool = True) -> Message:
    """Return the ASGI message for a part of the stream."""
    return {"type": "http.response.body", "body": content, "more_body": more}
