"""Ignores signals with the wrong number of arguments, which anyone can send in Temporal's UI.

The call of the handler would raise an error, and an error in a signal ends the workflow, with the updates that it handles.
"""

from temporalio import workflow
from temporalio.worker import (
    HandleSignalInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

#: How many arguments each signal of `PatientVisit` has.
ARGUMENTS = {"start_consultation": 1, "complete_consultation": 1, "patient_freed": 0}


class MessageGuard(Interceptor):
    """Guards the signals of all visits of a worker."""

    def workflow_interceptor_class(self, _input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return _SignalGuard


class _SignalGuard(WorkflowInboundInterceptor):
    async def handle_signal(self, message: HandleSignalInput) -> None:
        if len(message.args) == ARGUMENTS[message.signal]:
            await super().handle_signal(message)
        else:
            workflow.logger.warning("a signal with wrong arguments is ignored", extra={"signal": message.signal})
