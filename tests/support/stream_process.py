"""An API process without a socket: the test itself advances application, hub, tailer and reports."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.api.stream.presence_reports import PresenceReports
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.subscriber import Message, Subscriber, Subscription
from patient_visit_engine.live.tailer import Tailer
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.api import Clock, settings_with
from tests.support.waiting import wait_until_async

NUMBERS = count(1)


class Connection:
    """Accepts every message, unless it is blocked."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.messages: list[Message] = []

    def block(self) -> None:
        self._open.clear()

    def unblock(self) -> None:
        self._open.set()

    async def send(self, message: Message) -> None:
        await self._open.wait()
        self.messages.append(message)


class _NoHints:
    async def wait_for_hint(self, within: float) -> bool:
        raise AssertionError("the test itself advances the tailer")

    def close(self) -> None:
        pass


@dataclass
class StreamProcess:
    """One process. Nothing in it happens by itself."""

    app: Gateway
    hub: Hub
    reports: PresenceReports
    tailer: Tailer
    clock: Clock
    connections: dict[int, Connection] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.app.dependencies.process

    async def subscribe(self, name: str, role: str = "doctor") -> Subscriber:
        """Open a stream for a new account with that name, and wait until it is live."""
        connection = Connection()
        user = f"account:{next(NUMBERS)}"
        subscription = Subscription(user, user, name, role, frozenset({"consultations"}), may_read=lambda _: True)
        subscriber = self.hub.admit(subscription, connection.send, lambda: None)
        self.hub.start_stream(subscriber, None)
        assert subscriber.live
        self.connections[subscriber.number] = connection
        return subscriber

    def block(self, subscriber: Subscriber) -> None:
        """Let the subscriber's connection accept nothing."""
        self.connections[subscriber.number].block()

    async def unblock(self, subscriber: Subscriber) -> None:
        """Let the connection accept everything again, and wait until the subscriber is live."""
        self.connections[subscriber.number].unblock()
        await wait_until_async(lambda: subscriber.live, "the subscriber to be live again")


async def start_stream_process(database: Database, clock: Clock) -> StreamProcess:
    """Create a process that has read the log."""
    log = LogReader(database)
    hub = Hub(log, now=clock)
    tailer = Tailer(log, _NoHints(), hub)
    await tailer.start()
    no_visits: Any = None
    app = create_app(settings_with(), database, no_visits, no_visits, hub=hub, now=clock)
    return StreamProcess(app, hub, PresenceReports(app.dependencies.process, hub, database, clock), tailer, clock)
