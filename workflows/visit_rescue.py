"""Ends the workflow of a visit that can no longer decide, and opens the visit again from the ledger.

A visit is never ended because it is slow, because no worker polls it, or because its ledger is away. Its history then shows no
failed task, or one with a cause that is not counted (`SLOW_MACHINE`, `HARMLESS_CAUSES`).
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from temporalio.api.common import v1 as common
from temporalio.api.enums.v1 import EventType, PendingWorkflowTaskState, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingWorkflowTaskInfo
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.names import VISIT_DAY_ATTRIBUTE, WORKFLOW_TYPE, visit_id
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_client import RESCUED_RUN_MEMO, TASK_TIMEOUT, VisitClient
from patient_visit_engine.workflows.visit_errors import UNDECIDED_ERRORS

#: A rescued visit that fails again is ended again after this time, not before.
RESCUE_INTERVAL = timedelta(minutes=1)
#: Seconds within which the new run has to answer its rescuer. It notes the rescue also when it is slower.
ANSWER_SECONDS = 5.0
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


class VisitLook(NamedTuple):
    """What a look at a visit found.

    `rescued` is the reason if the visit was ended and opened again. `is_failing`: it cannot decide, for now. `waits_for_worker`: it has
    a message, and no worker has taken its task yet.
    """

    rescued: RescueReason | None = None
    is_failing: bool = False
    waits_for_worker: bool = False


class VisitRescue:
    """Looks at visits that did not answer. Any number of processes may look at one visit."""

    def __init__(self, client: Client, visit_client: VisitClient, task_queue: str) -> None:
        self._client = client
        self._visit_client = visit_client
        self._task_queue = task_queue

    async def rescue(self, patient_id: int, day: date, now: datetime) -> RescueReason | None:
        """End the visit's workflow if it can no longer decide, and open the visit again. Returns the reason, or None.

        See `look_at`.
        """
        return (await self.look_at(patient_id, day, now)).rescued

    async def look_at(self, patient_id: int, day: date, now: datetime) -> VisitLook:
        """Look at the visit, and rescue it if it can no longer decide.

        Looks at the visit of `day`, and then at that of the day after: a command goes there when the day has closed.
        Raises the errors of Temporal's client. There is no time limit here: the caller sets one.
        """
        look = await self._look_at_visit(patient_id, day, now)
        if look.rescued is not None:
            return look
        next_look = await self._look_at_visit(patient_id, day + timedelta(days=1), now)
        return look if next_look == VisitLook() else next_look

    async def _look_at_visit(self, patient_id: int, day: date, now: datetime) -> VisitLook:
        description = await self._describe(visit_id(patient_id, day))
        if description is None or description.status is not WorkflowExecutionStatus.RUNNING:
            return VisitLook()
        rescued = await self._rescue_visit(patient_id, day, description, now)
        return VisitLook(
            rescued=rescued,
            is_failing=rescued is not None or await self._is_failing(description),
            waits_for_worker=_waits_for_worker(description.raw_description.pending_workflow_task, now),
        )

    async def _is_failing(self, description: WorkflowExecutionDescription) -> bool:
        if (description.workflow_type, description.task_queue) != (WORKFLOW_TYPE, self._task_queue):
            return True
        return await self._count_last_failures(description.id, description.run_id) > 0

    async def _rescue_visit(
        self, patient_id: int, day: date, description: WorkflowExecutionDescription, now: datetime
    ) -> RescueReason | None:
        if await self._was_just_rescued(description, now):
            return None
        if (reason := await self._reason_to_end(description)) is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._visit_client.rescue(patient_id, day, reason, description.run_id)
        except (TimeoutError, *UNDECIDED_ERRORS):
            # The new run notes the rescue later, when its ledger or a worker is there. This process logs it now.
            opened = await self._describe(description.id)
            if opened is None or (await opened.memo()).get(RESCUED_RUN_MEMO) != description.run_id:
                raise
        return reason

    async def _describe(self, workflow_id: str, run_id: str | None = None) -> WorkflowExecutionDescription | None:
        """The workflow's last run, or this one. None when there is none."""
        try:
            return await self._client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def end_failed_visits(self, before: date) -> AsyncIterator[str]:
        """End the visits of days before this one that can no longer decide. Yields their ids.

        They are not opened again: what was open in them passes to the visit of the present day. Raises the errors of Temporal's
        client.
        """
        query = (
            f"WorkflowType = '{WORKFLOW_TYPE}' AND TaskQueue = '{self._task_queue}' AND ExecutionStatus = 'Running'"
            f" AND {VISIT_DAY_ATTRIBUTE} < '{before}'"
        )
        async for run in self._client.list_workflows(query):
            try:
                is_ended = await self._end_failed_run(run.id, run.run_id)
            except RPCError:
                # Another worker has ended it first, or its history cannot be read. The others must still be ended.
                continue
            if is_ended:
                yield run.id

    async def _end_failed_run(self, workflow_id: str, run_id: str) -> bool:
        description = await self._describe(workflow_id, run_id)
        if description is None or (reason := await self._reason_to_end(description)) is None:
            return False
        await self._client.get_workflow_handle(workflow_id, run_id=run_id).terminate(reason.value)
        return True

    async def _was_just_rescued(self, description: WorkflowExecutionDescription, now: datetime) -> bool:
        """Whether a rescue in any process has opened this visit again within the interval."""
        since = now - RESCUE_INTERVAL
        if description.start_time > since and await _was_opened_by_rescue(description):
            return True
        # After a rescue, a foreign workflow can have taken the id of the visit.
        query = f"WorkflowId = '{description.id}' AND StartTime > '{to_rfc3339(since)}'"
        async for run in self._client.list_workflows(query):
            if await _was_opened_by_rescue(run):
                return True
        return False

    async def _reason_to_end(self, description: WorkflowExecutionDescription) -> RescueReason | None:
        if description.status is not WorkflowExecutionStatus.RUNNING:
            return None
        if (description.workflow_type, description.task_queue) != (WORKFLOW_TYPE, self._task_queue):
            return RescueReason.foreign_workflow
        failures = await self._count_last_failures(description.id, description.run_id)
        attempts = description.raw_description.pending_workflow_task.attempt
        # Each signal begins to count the attempts again, and each first attempt that fails is in the history.
        if failures > FAILED_ATTEMPTS or (failures and attempts > FAILED_ATTEMPTS):
            return RescueReason.workflow_task_failed
        if attempts > FAILED_ATTEMPTS:
            # Temporal does not record the failure of a task that only carries an update. After a signal it records the next failure,
            # and the next look finds it. The signal makes a sound visit read its facts again, which does no harm.
            handle = self._client.get_workflow_handle(description.id, run_id=description.run_id)
            await handle.signal(PatientVisit.patient_freed)
        return None

    async def _count_last_failures(self, workflow_id: str, run_id: str) -> int:
        """The failures of the code since the last workflow task with another result."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=common.WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=EVENTS_READ,
        )
        # Like the client's other reads, it is repeated when the server closes an old connection.
        response = await self._client.workflow_service.get_workflow_execution_history_reverse(request, retry=True)
        newest_first = [event for event in response.history.events if event.event_type in TASK_RESULTS]
        return next((n for n, event in enumerate(newest_first) if not _is_failure_of_code(event)), len(newest_first))


def _waits_for_worker(task: PendingWorkflowTaskInfo, now: datetime) -> bool:
    """Whether no worker takes the task. The server also gives it to the open poll of a worker that hangs, again and again."""
    state = PendingWorkflowTaskState
    # One worker has had it for its whole time, and lost it. A client waits for less than twice that time.
    is_late = now - task.original_scheduled_time.ToDatetime(UTC) > 1.5 * TASK_TIMEOUT
    return task.state == state.PENDING_WORKFLOW_TASK_STATE_SCHEDULED or (
        task.state == state.PENDING_WORKFLOW_TASK_STATE_STARTED and task.attempt > 1 and is_late
    )


async def _was_opened_by_rescue(execution: WorkflowExecution) -> bool:
    """Whether a rescue has opened this run. A run that continues it has its memo too."""
    return RESCUED_RUN_MEMO in await execution.memo() and execution.raw_info.first_run_id in ("", execution.run_id)


def _is_failure_of_code(event: HistoryEvent) -> bool:
    failure = event.workflow_task_failed_event_attributes
    return (
        event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and failure.cause not in HARMLESS_CAUSES
        and SLOW_MACHINE not in failure.failure.message
    )
