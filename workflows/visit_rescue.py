"""Ends the workflow of a visit that can no longer decide, and opens the visit again from the ledger.

A visit is never ended because it is slow, because no worker polls it, or because its ledger is away. Its history then shows no
failed task.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.commands import Rescue
from patient_visit_engine.visit.names import WORKFLOW_TYPE, visit_id
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_client import VisitClient

#: A rescued visit that fails again is ended again after this time, not before.
RESCUE_INTERVAL = timedelta(minutes=1)
#: The attempts of a workflow task after which the visit counts as failing. A single failure can be an accident.
FAILED_ATTEMPTS = 2
#: The last events of a history. A task that fails again and again is one event, and later events are messages only.
EVENTS_READ = 200
# The SDK reports that a busy machine took two seconds for a step with this code.
SLOW_MACHINE = "TMPRL1101"
# The server itself ends a task with these causes, and the next attempt succeeds.
HARMLESS_CAUSES = frozenset(
    {
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_UPDATE,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FAILOVER_CLOSE_COMMAND,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED,
    }
)
TASK_RESULTS = frozenset({EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED})


class VisitRescue:
    """Looks at visits that did not answer. Any number of processes may look at one visit."""

    def __init__(self, client: Client, visit_client: VisitClient, task_queue: str) -> None:
        self._client = client
        self._visit_client = visit_client
        self._task_queue = task_queue
        #: When this process has ended each visit within the last interval. Temporal's search shows it only a moment later.
        self._ended_at: dict[str, datetime] = {}

    async def rescue(self, patient_id: int, day: date, now: datetime) -> RescueReason | None:
        """End the visit's workflow if it can no longer decide, and open the visit again. Returns the reason, or None.

        Raises the errors of Temporal's client. There is no time limit here: the caller sets one.
        """
        workflow_id = visit_id(patient_id, day)
        try:
            description = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        reason = await self._reason_to_end(description)
        if reason is None or await self._was_just_ended(workflow_id, now):
            return None
        await self._terminate(workflow_id, description.run_id, reason)
        self._ended_at[workflow_id] = now
        # The run's id: of several processes that rescue one run, only the first adds a line to the timeline.
        await self._visit_client.update(patient_id, day, Rescue(reason=reason), f"rescue/{description.run_id}")
        return reason

    async def _was_just_ended(self, workflow_id: str, now: datetime) -> bool:
        """Whether a rescue in any process has ended an earlier workflow of this visit within the interval."""
        since = now - RESCUE_INTERVAL
        self._ended_at = {visit: at for visit, at in self._ended_at.items() if at > since}
        if workflow_id in self._ended_at:
            return True
        closed = f"ExecutionStatus = 'Terminated' AND CloseTime > '{to_rfc3339(since)}'"
        query = f"WorkflowId = '{workflow_id}' AND {closed}"
        async for ended in self._client.list_workflows(query):
            (last_event,) = await self._last_events(workflow_id, ended.run_id, 1)
            # Others may terminate a workflow too, for example to start a foreign one under the same id.
            if last_event.workflow_execution_terminated_event_attributes.reason in list(RescueReason):
                return True
        return False

    async def _reason_to_end(self, description: WorkflowExecutionDescription) -> RescueReason | None:
        if description.status is not WorkflowExecutionStatus.RUNNING:
            return None
        if (description.workflow_type, description.task_queue) != (WORKFLOW_TYPE, self._task_queue):
            return RescueReason.foreign_workflow
        if description.raw_description.pending_workflow_task.attempt <= FAILED_ATTEMPTS:
            return None
        if await self._last_task_failed(description.id, description.run_id):
            return RescueReason.workflow_task_failed
        # Temporal does not record the failure of a task that only carries an update. After a signal it records the next failure,
        # and the next look finds it. The signal makes a sound visit read its facts again, which does no harm.
        handle = self._client.get_workflow_handle(description.id, run_id=description.run_id)
        await handle.signal(PatientVisit.patient_freed)
        return None

    async def _last_task_failed(self, workflow_id: str, run_id: str) -> bool:
        events = await self._last_events(workflow_id, run_id, EVENTS_READ)
        last_result = next((event for event in events if event.event_type in TASK_RESULTS), None)
        return last_result is not None and _is_failure_of_code(last_result)

    async def _last_events(self, workflow_id: str, run_id: str, count: int) -> Sequence[HistoryEvent]:
        """The last events of this run, newest first."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=count,
        )
        return (await self._client.workflow_service.get_workflow_execution_history_reverse(request)).history.events

    async def _terminate(self, workflow_id: str, run_id: str, reason: RescueReason) -> None:
        try:
            await self._client.get_workflow_handle(workflow_id, run_id=run_id).terminate(reason.value)
        except RPCError as error:
            # Another process ended it first.
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise


def _is_failure_of_code(event: HistoryEvent) -> bool:
    failure = event.workflow_task_failed_event_attributes
    return (
        event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and failure.cause not in HARMLESS_CAUSES
        and SLOW_MACHINE not in failure.failure.message
    )
