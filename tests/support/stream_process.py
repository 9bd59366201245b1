"""An API process without its socket: application, hub and reports, each moved by the test; it must not know what is tested."""

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
from tests.api.conftest import Clock, settings_with
from tests.support.stream_server import until

NUMBERS = count(1)


class Connection:
    """Takes all that is written, or for a while nothing."""

    def __init__(self) -> None:
        self._takes = asyncio.Event()
        self._takes.set()
        self.messages: list[Message] = []

    def stand_still(self) -> None:
        self._takes.clear()

    def go_on(self) -> None:
        self._takes.set()

    async def send(self, message: Message) -> None:
        await self._takes.wait()
        self.messages.append(message)


class _NoHints:
    async def wait_for_change(self, within: float) -> bool:
        raise AssertionError("the test moves the tailer")

    def close(self) -> None:
        pass


@dataclass
class StreamProcess:
    """One process; nothing in it happens by itself."""

    app: Gateway
    hub: Hub
    reports: PresenceReports
    tailer: Tailer
    clock: Clock
    connections: dict[int, Connection] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.app.parts.process

    async def opens(self, name: str, role: str = "doctor") -> Subscriber:
        """Somebody of that name reads the stream here, and is level."""
        connection = Connection()
        user = f"account:{next(NUMBERS)}"
        reader = Subscription(user, user, name, role, frozenset({"consultations"}), may_read=lambda _: True)
        new = self.hub.admit(reader, connection.send, lambda: None)
        self.hub.start_stream(new, None)
        assert new.live
        self.connections[new.number] = connection
        return new

    def stand_still(self, one: Subscriber) -> None:
        """The connection takes nothing any more."""
        self.connections[one.number].stand_still()

    async def go_on(self, one: Subscriber) -> None:
        """It takes everything again."""
        self.connections[one.number].go_on()
        await until(lambda: one.live, "a reader that is level again")


async def a_process(database: Database, clock: Clock) -> StreamProcess:
    """A process that has seen the log."""
    log = LogReader(database)
    hub = Hub(log, now=clock)
    tailer = Tailer(log, _NoHints(), hub)
    await tailer.start()
    nobody: Any = None
    app = create_app(settings_with(), database, nobody, nobody, hub=hub, now=clock)
    return StreamProcess(app, hub, PresenceReports(app.parts.process, hub, database, clock), tailer, clock)
