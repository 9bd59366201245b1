"""What a failed update of a visit means."""

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from patient_visit_engine.visit.record import UnrecordableError

#: The types of the failures after which the ledger cannot record the decision, however often the command is sent. The ledger's
#: constraints reject it, or the ledger returns other facts at each attempt (`overtaken` in `workflows.patient_visit`).
UNRECORDABLE_FAILURES = frozenset({UnrecordableError.__name__, "overtaken"})


def is_unrecordable(error: BaseException) -> bool:
    """Whether the visit answered that the decision on the command can never be recorded."""
    return (
        isinstance(error, WorkflowUpdateFailedError)
        and isinstance(error.cause, ApplicationError)
        and error.cause.type in UNRECORDABLE_FAILURES
    )
