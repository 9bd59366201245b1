"""The connections of a process that carry no event stream: their number per address, their time limits and their refusals."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from patient_visit_engine.api.addresses import address_group
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.serving.limits import DEFAULT_LIMITS, ConnectionLimits
from patient_visit_engine.api.serving.refusal_log import RefusalLog
from patient_visit_engine.api.serving.refusals import connections_exhausted, too_many_connections
from patient_visit_engine.runtime.open_files import OpenFileLimit


class TimedConnection(Protocol):
    """A connection that is in one of its phases until `deadline`, in the loop's time."""

    deadline: float

    @property
    def host(self) -> str:
        """The address of the client."""

    @property
    def waits_for_client(self) -> bool:
        """Whether the next bytes must come from the client. Otherwise a complete request is being answered."""

    def end_for_others(self, problem: Problem) -> None:
        """Close this connection, because its address has too many that wait."""

    def end_overdue_phase(self) -> None:
        """The deadline has passed. Called again at the next check unless the connection ends or moves its deadline."""


def _trusts_no_address(_host: str) -> bool:
    return False


def _count_nothing(_code: str) -> None:
    pass


class OpenConnections:
    """One per process. A connection leaves it when its event stream starts, so that streams cost nothing here.

    `per_address` is how many connections of one address may wait for their client. 0 means no limit. Connections from a proxy, for which
    `is_trusted` returns True, are not counted, because all clients come from its address. `count_refusal` gets the code of each
    refusal. Without `open_files`, the process refuses no connection because of its file descriptors.
    """

    def __init__(
        self,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        *,
        per_address: int = 0,
        is_trusted: Callable[[str], bool] = _trusts_no_address,
        open_files: OpenFileLimit | None = None,
        count_refusal: Callable[[str], None] = _count_nothing,
    ) -> None:
        self.limits = limits
        self.lingering = 0
        self._per_address = per_address
        self._is_trusted = is_trusted
        self._open_files = open_files
        self._count_refusal = count_refusal
        self._log = RefusalLog(per_address, open_files)
        self._of_address: Counter[str] = Counter()
        #: Each connection with its address group, the oldest first.
        self._timed: dict[TimedConnection, str] = {}
        #: The connections of crowded addresses that waited for their client at the last check, and since which check.
        self._waiting_since: dict[TimedConnection, float] = {}
        self._check: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """The number of connections without an event stream."""
        return len(self._timed)

    def refusal(self, host: str, descriptor: int) -> Problem | None:
        """Return why a new connection from this address must be refused, or None. `descriptor` is the number of its socket.

        The kernel gives each socket the lowest free number. So a high number means that all numbers below it are in use.
        """
        if self._open_files is not None and self._open_files.is_nearly_reached(descriptor):
            return connections_exhausted()
        # The next check ends those that wait. Until then, all screens behind one router may connect at the same moment.
        burst = self._per_address * self.limits.burst
        if burst and self._of_address[address_group(host)] >= burst and not self._is_trusted(host):
            return too_many_connections(self._per_address)
        return None

    def add(self, connection: TimedConnection, host: str) -> None:
        self._timed[connection] = group = address_group(host)
        self._of_address[group] += 1
        if self._check is None:
            self._check = asyncio.get_running_loop().call_later(self.limits.check_interval, self._check_all)

    def remove(self, connection: TimedConnection) -> None:
        """Remove a connection. It has no effect on one that is not here."""
        group = self._timed.pop(connection, None)
        if group is None:
            return
        self._of_address[group] -= 1
        if not self._of_address[group]:
            # Addresses come and go while the process lives. A zero for each of them would be a leak.
            del self._of_address[group]

    def note_refusal(self, code: str, host: str) -> None:
        """Count a refusal, and log it unless one with this code was logged a moment ago."""
        self._count_refusal(code)
        self._log.note(code, host, asyncio.get_running_loop().time())

    def _check_all(self) -> None:
        # One timer for all connections. A timer for each would be set and cancelled several times with every request.
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [connection for connection in self._timed if connection.deadline <= now]:
            connection.end_overdue_phase()
        if self._per_address:
            self._end_excess(now)
        self._check = loop.call_later(self.limits.check_interval, self._check_all) if self._timed else None

    def _end_excess(self, now: float) -> None:
        """Close the oldest connections that wait, of each address that has too many of them."""
        crowded = {group for group, count in self._of_address.items() if count > self._per_address}
        waited_before, self._waiting_since = self._waiting_since, {}
        if not crowded:
            return
        waiting: dict[str, list[TimedConnection]] = {group: [] for group in crowded}
        for connection, group in self._timed.items():
            if group in crowded and connection.waits_for_client:
                since = self._waiting_since[connection] = waited_before.get(connection, now)
                if now - since >= self.limits.excess_after:
                    waiting[group].append(connection)
        for connections in waiting.values():
            excess = connections[: max(0, len(connections) - self._per_address)]
            if excess and not self._is_trusted(excess[0].host):
                for connection in excess:
                    connection.end_for_others(too_many_connections(self._per_address))
