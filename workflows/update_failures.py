"""The failures with which a visit answers an update, and what they mean."""

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from patient_visit_engine.visit.record import UnrecordableError

OVERTAKEN = "overtaken"
EXPIRED = "expired"
WRONG_VISIT = "wrong_visit"
#: The types of the failures after which the ledger cannot record the decision, however often the command is sent. The ledger's
#: constraints reject it, or the ledger returns other facts at each attempt.
UNRECORDABLE_FAILURES = frozenset({UnrecordableError.__name__, OVERTAKEN})


def overtaken() -> ApplicationError:
    """The failure after too many attempts to decide."""
    return ApplicationError("the facts changed at each attempt", type=OVERTAKEN, non_retryable=True)


def expired() -> ApplicationError:
    """The failure of a command that had no effect, because it came too late."""
    # Not a reply, because the server repeats a reply for its update id. After a failure the client sends a repeat without the id.
    return ApplicationError("the command came after the end of its validity", type=EXPIRED, non_retryable=True)


def not_noted() -> ApplicationError:
    """The failure of a command whose visit could not note its rescue before."""
    return ApplicationError("the rescue of this visit is not noted yet", type="not_noted", non_retryable=True)


def wrong_visit() -> ApplicationError:
    """The failure after a command, or a start of a workflow, that was sent by hand to another visit than its own."""
    return ApplicationError("this belongs to another visit", type=WRONG_VISIT, non_retryable=True)


def is_unrecordable(error: BaseException) -> bool:
    """Whether the visit answered that the decision on the command can never be recorded."""
    return (
        isinstance(error, WorkflowUpdateFailedError)
        and isinstance(error.cause, ApplicationError)
        and error.cause.type in UNRECORDABLE_FAILURES
    )
