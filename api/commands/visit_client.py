"""The API's only door to Temporal: it sends one command to the right visit; it must not know what the answer says."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta

import structlog
from temporalio.client import Client, RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError as ServiceError

from patient_visit_engine.api.problems import Undecided
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.temporal import is_unconnected
from patient_visit_engine.visit.commands import Command, patient_of
from patient_visit_engine.workflows.opening import DayClosedError, Visits

log = structlog.get_logger()

# A visit that took the message but could not finish it, a server that is away or overloaded, a call that ran out of time:
# in none of them is it known whether the request was or will be carried out.
UNKNOWN = (
    RPCError,
    ServiceError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    TimeoutError,
    # What the SDK raises when a call outlives the server's own wait for a worker.
    asyncio.InvalidStateError,
)


# Seconds to hand a signal over: whoever would rather not wait does not wait, and the sweep sends what was not taken.
HANDING_OVER = 1.0


class VisitClient:
    """Sends commands to visits and waits until the ledger holds the answer."""

    def __init__(
        self, client: Client, visits: Visits, decision_timeout: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._visits = visits
        self._patience = decision_timeout.total_seconds()
        self._clock = clock
        self._told = ""

    async def send(self, command: Command, *, day: date, anew: bool = False) -> None:
        """Have the visit of `day` decide; on return the answer is in the ledger under the command's request id.

        `anew` has the visit look at the ledger even if it has answered this request before. Raises `Undecided` when the
        decision is not known within the decision timeout: the command may still be carried out, once.
        """
        with _undecided():
            async with asyncio.timeout(self._patience):
                await self._send(command, day, None if anew else command.request.id)

    async def _send(self, command: Command, day: date, update_id: str | None) -> None:
        patient_id = patient_of(command)
        try:
            await self._visits.update(patient_id, day, command, update_id)
        except DayClosedError:
            # The API's clock and the server's differ around midnight; and a consultation from a closed day is anybody's.
            following = max(self._visits.today(self._clock()), day + timedelta(days=1))
            try:
                await self._visits.update(patient_id, following, command, update_id)
            except DayClosedError:
                raise Undecided from None

    async def send_later(self, command: Command, *, day: date) -> None:
        """Hand the command over without waiting; the caller has written the open request down before.

        A closed day is no failure here: the worker's sweep finds the open request and sends it to the next day.
        """
        with suppress(DayClosedError), _undecided():
            async with asyncio.timeout(min(self._patience, HANDING_OVER)):
                await self._visits.signal(patient_of(command), day, command)

    async def reachable(self) -> bool:
        """Whether Temporal's frontend answers; why there is no connection is logged, once."""
        try:
            return await self._client.service_client.check_health(timeout=timedelta(seconds=1))
        except RPCError:
            return False
        except RuntimeError as error:
            if not is_unconnected(error):
                raise
            if self._told != str(error):
                self._told = str(error)
                log.warning("Temporal cannot be reached", error=self._told)
            return False


@contextmanager
def _undecided() -> Iterator[None]:
    """What leaves open whether the request is carried out becomes `Undecided`."""
    try:
        yield
    except UNKNOWN:
        raise Undecided from None
    except RuntimeError as error:
        if is_unconnected(error):
            raise Undecided from None
        raise


def connect_visits(client: Client, settings: Settings, clock: Callable[[], datetime]) -> VisitClient:
    """The client for the visits that these settings describe."""
    visits = Visits(client, settings.task_queue, settings.zone, settings.limits)
    return VisitClient(client, visits, settings.decision_timeout, clock)
