"""How a message finds its visit, opening it when there is none; it must not know who sends the message or why."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.visit.calendar import day_ends_at
from patient_visit_engine.visit.commands import Adopt, Command, OnConsultation, OpenVisit, Reply
from patient_visit_engine.visit.names import PATIENT_ID_ATTRIBUTE, VISIT_DAY_ATTRIBUTE, visit_id
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.patient_visit import PatientVisit

# With the default of ten seconds, a worker killed inside an activity keeps everybody else waiting for as long.
TASK_TIMEOUT = timedelta(seconds=2)
# How often and after how many seconds a message that met the change of two runs is sent again.
TRIES = 20
PAUSE = 0.1
PATIENT_ID = SearchAttributeKey.for_int(PATIENT_ID_ATTRIBUTE)
VISIT_DAY = SearchAttributeKey.for_keyword(VISIT_DAY_ATTRIBUTE)

UPDATES = {
    "StartConsultation": PatientVisit.start_consultation,
    "CompleteConsultation": PatientVisit.complete_consultation,
    "ExtendConsultation": PatientVisit.extend_consultation,
    "ReleaseConsultation": PatientVisit.release_consultation,
    "CheckIn": PatientVisit.check_in,
    "CheckOut": PatientVisit.check_out,
    "SetAppointmentStatus": PatientVisit.set_appointment_status,
    "JoinWaitingLine": PatientVisit.join_waiting_line,
    "LeaveWaitingLine": PatientVisit.leave_waiting_line,
    "Adopt": PatientVisit.adopt,
}
SIGNALS = {"StartConsultation": "start_consultation", "CompleteConsultation": "complete_consultation"}


class DayClosedError(Exception):
    """The visit of that day takes no more messages of this kind."""


class Visits:
    """The visits of all patients, by patient and day."""

    def __init__(self, client: Client, task_queue: str, zone: ZoneInfo, limits: Limits) -> None:
        self._client = client
        self._task_queue = task_queue
        self._zone = zone
        self._limits = limits

    async def update(self, patient_id: int, day: date, command: Command | Adopt, update_id: str | None = None) -> None:
        """Have the visit of that day carry out `command`, opening the visit if there is none.

        One that has closed is not opened again, since the day would begin anew: `DayClosedError`. One that was
        terminated is, and reads the ledger.
        """
        for _ in range(TRIES):
            try:
                reply = await self._update(patient_id, day, command, update_id)
                break
            except WorkflowUpdateFailedError:
                if update_id is None:
                    raise
                # The server repeats a failure for the same id as long as the run lasts; the ledger knows what was carried out.
                update_id = None
                continue
            except RPCError as fault:
                if fault.status is not RPCStatusCode.FAILED_PRECONDITION:
                    raise
                not_ready = fault
            # Where two runs of a visit meet, the server lets go of messages that the earlier one had not taken.
            await asyncio.sleep(PAUSE)
        else:
            raise not_ready
        if not reply.decided:
            raise DayClosedError

    async def _update(self, patient_id: int, day: date, command: Command | Adopt, update_id: str | None) -> Reply:
        if isinstance(command, OnConsultation):
            # A consultation that runs has its visit, nearly always: the server has less to do without the start.
            visit = self._client.get_workflow_handle_for(PatientVisit.run, visit_id(patient_id, day))
            handler: Any = UPDATES[type(command).__name__]
            try:
                reply: Reply = await visit.execute_update(handler, command, id=update_id, result_type=Reply)
                return reply
            except RPCError as fault:
                if fault.status is not RPCStatusCode.NOT_FOUND:
                    raise
        return await self._open_and_update(patient_id, day, command, update_id)

    async def _open_and_update(
        self, patient_id: int, day: date, command: Command | Adopt, update_id: str | None
    ) -> Reply:
        opening: WithStartWorkflowOperation[PatientVisit, None] = WithStartWorkflowOperation(
            PatientVisit.run, self._input(patient_id, day), **self._options(patient_id, day)
        )
        handler: Any = UPDATES[type(command).__name__]
        try:
            handle = await self._client.start_update_with_start_workflow(
                handler,
                command,
                start_workflow_operation=opening,
                wait_for_stage=WorkflowUpdateStage.COMPLETED,
                id=update_id,
                result_type=Reply,
            )
            reply: Reply = await handle.result()
        except BaseException as fault:
            # Whatever failed has failed the start as well; unread, its exception would be reported as never retrieved.
            _read_later(opening)
            if isinstance(fault, WorkflowAlreadyStartedError):
                raise DayClosedError from None
            raise
        return reply

    async def signal(self, patient_id: int, day: date, command: Command) -> None:
        """Hand `command` to the visit of that day and do not wait; `DayClosedError` as for `update`."""
        try:
            await self._client.start_workflow(
                PatientVisit.run,
                self._input(patient_id, day),
                start_signal=SIGNALS[type(command).__name__],
                start_signal_args=[command],
                **self._options(patient_id, day),
            )
        except WorkflowAlreadyStartedError:
            raise DayClosedError from None

    def today(self, now: datetime) -> date:
        """The hospital's date at `now`."""
        return now.astimezone(self._zone).date()

    def _input(self, patient_id: int, day: date) -> OpenVisit:
        ends_at = day_ends_at(day, self._zone)
        return OpenVisit(patient_id=patient_id, day=day, day_ends_at=ends_at, limits=self._limits)

    def _options(self, patient_id: int, day: date) -> dict[str, Any]:
        attributes: list[SearchAttributePair[Any]] = [
            SearchAttributePair(PATIENT_ID, patient_id),
            SearchAttributePair(VISIT_DAY, day.isoformat()),
        ]
        return {
            "id": visit_id(patient_id, day),
            "task_queue": self._task_queue,
            "task_timeout": TASK_TIMEOUT,
            "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            "search_attributes": TypedSearchAttributes(attributes),
        }


def _read_later(opening: WithStartWorkflowOperation[PatientVisit, None]) -> None:
    # The public way to it waits, and a call that was cut off before it began would be waited for without end.
    waiting: Any = opening._workflow_handle
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
