"""Ends the workflow of a visit that can no longer decide, and opens the visit again from the ledger.

A visit is never ended because it is slow, because no worker polls it, or because its ledger is away. Its history then shows no
failed task, or one with a cause that is not counted (`SLOW_MACHINE`, `HARMLESS_CAUSES`).
"""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.names import VISIT_DAY_ATTRIBUTE, WORKFLOW_TYPE, visit_id
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_client import RESCUED_RUN_MEMO, VisitClient

#: A rescued visit that fails again is ended again after this time, not before.
RESCUE_INTERVAL = timedelta(minutes=1)
#: The visits of earlier days that one call looks at. Nearly always there is none.
OLD_VISITS_READ = 100
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

    async def rescue(self, patient_id: int, day: date, now: datetime) -> RescueReason | None:
        """End the visit's workflow if it can no longer decide, and open the visit again. Returns the reason, or None.

        Raises the errors of Temporal's client. There is no time limit here: the caller sets one.
        """
        try:
            description = await self._client.get_workflow_handle(visit_id(patient_id, day)).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        reason = await self._reason_to_end(description)
        if reason is None or await self._was_just_rescued(description, now):
            return None
        await self._visit_client.rescue(patient_id, day, reason, description.run_id)
        return reason

    async def end_failed_visits(self, before: date) -> AsyncIterator[str]:
        """End the visits of days before this one that can no longer decide. Yields their ids.

        They are not opened again: what was open in them passes to the visit of the present day. Raises the errors of Temporal's
        client.
        """
        query = (
            f"WorkflowType = '{WORKFLOW_TYPE}' AND TaskQueue = '{self._task_queue}' AND ExecutionStatus = 'Running'"
            f" AND {VISIT_DAY_ATTRIBUTE} < '{before}'"
        )
        async for run in self._client.list_workflows(query, limit=OLD_VISITS_READ):
            visit = self._client.get_workflow_handle(run.id, run_id=run.run_id)
            if (reason := await self._reason_to_end(await visit.describe())) is not None:
                await visit.terminate(reason.value)
                yield run.id

    async def _was_just_rescued(self, description: WorkflowExecutionDescription, now: datetime) -> bool:
        """Whether a rescue in any process has opened this visit again within the interval."""
        since = now - RESCUE_INTERVAL
        if description.start_time > since and RESCUED_RUN_MEMO in await description.memo():
            return True
        # After a rescue, a foreign workflow can have taken the id of the visit.
        query = f"WorkflowId = '{description.id}' AND StartTime > '{to_rfc3339(since)}'"
        async for run in self._client.list_workflows(query):
            if RESCUED_RUN_MEMO in await run.memo():
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
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=EVENTS_READ,
        )
        response = await self._client.workflow_service.get_workflow_execution_history_reverse(request)
        newest_first = response.history.events
        last_result = next((event for event in newest_first if event.event_type in TASK_RESULTS), None)
        return last_result is not None and _is_failure_of_code(last_result)


def _is_failure_of_code(event: HistoryEvent) -> bool:
    failure = event.workflow_task_failed_event_attributes
    return (
        event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and failure.cause not in HARMLESS_CAUSES
        and SLOW_MACHINE not in failure.failure.message
    )
