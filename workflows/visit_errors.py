"""The errors of a command that was sent to a visit."""

import asyncio

from temporalio.client import (
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError


class PatientMovedError(Exception):
    """A merge or a separation came first. The command belongs to the visit of another person, `moved_to`."""

    def __init__(self, moved_to: int) -> None:
        super().__init__(moved_to)
        self.moved_to = moved_to


class DayClosedError(Exception):
    """The visit of that day has ended, or its day is over."""


#: After each of these errors of `VisitClient` the sender does not know whether the visit has carried out the command, or will.
#: Causes: the visit accepted the message but failed, the server is unreachable or overloaded, the call timed out, or both days
#: have closed.
UNDECIDED_ERRORS = (
    RPCError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    DayClosedError,
    PatientMovedError,
    # The SDK raises this when the server stops waiting for a worker before our timeout.
    asyncio.InvalidStateError,
)
