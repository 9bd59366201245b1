"""Sends commands to visits through Temporal. It opens the visit of the day when there is none.

When the day has closed, it sends the command to a later visit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.commands import Command, ConsultationCommand, SystemCommand, with_patient
from patient_visit_engine.visit.names import PATIENT_ID_ATTRIBUTE, VISIT_DAY_ATTRIBUTE, visit_id
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.visit.summary import title
from patient_visit_engine.visit.visit_messages import OpenVisit, Reply
from patient_visit_engine.workflows.message_handlers import SIGNALS, UPDATES
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_display import INITIAL_ATTRIBUTES
from patient_visit_engine.workflows.visit_errors import DayClosedError, PatientMovedError

Result = TypeVar("Result")
# A worker that is killed in the middle of a message blocks its visit for so long. With Temporal's default, ten seconds, the caller
# would not get the answer in time. With two seconds a busy machine loses tasks that it has nearly done.
TASK_TIMEOUT = timedelta(seconds=5)
# A message can arrive between two runs of a visit. It is sent at most this many times, with this pause.
SEND_ATTEMPTS = 20
RESEND_PAUSE_SECONDS = 0.1
#: The memo of a run that a rescue has opened, and of the runs that continue it: the id of the run that it ended.
RESCUED_RUN_MEMO = "RescuedRun"
PATIENT_ID = SearchAttributeKey.for_int(PATIENT_ID_ATTRIBUTE)
VISIT_DAY = SearchAttributeKey.for_keyword(VISIT_DAY_ATTRIBUTE)
#: After the namespace lacked a search attribute of the display, visits are opened without these attributes for this long.
WITHOUT_DISPLAY_FOR = timedelta(minutes=1)
#: How often a command follows its record to another person. Each time, another merge or separation has come first.
MAX_MOVES = 5


class VisitClient:
    """Sends commands to visits. A visit is identified by patient and day. `now` returns the current time, aware."""

    def __init__(
        self, client: Client, task_queue: str, calendar: HospitalCalendar, limits: Limits, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._task_queue = task_queue
        self._calendar = calendar
        self._limits = limits
        self._now = now
        self._without_display_until = datetime.min.replace(tzinfo=UTC)

    async def send(
        self, patient_id: int, day: date, command: Command | SystemCommand, update_id: str | None = None
    ) -> Reply:
        """Send `command` to the patient's visit of `day`.

        When that day has closed, send it to today's visit. If `day` is today, send it to tomorrow's visit. When its record belongs to
        another person since a merge or a separation, send it to that person's visit.
        Returns the reply, when the visit has recorded its decision. The visit answers a repeated `update_id` without deciding again.
        Raises `DayClosedError` when the second visit has closed too, and the errors of Temporal's client. There is no
        time limit here: the caller sets one.
        """
        for _ in range(MAX_MOVES):
            try:
                return await self._send(patient_id, day, command, update_id)
            except PatientMovedError as moved:
                patient_id = moved.moved_to
                # After a merge, a separation and a merge again, this visit may have replied with this id that the record has moved.
                # The server would repeat that reply.
                update_id = None
                if not isinstance(command, SystemCommand):
                    command = with_patient(command, patient_id)
        raise PatientMovedError(patient_id)

    async def _send(self, patient_id: int, day: date, command: Command | SystemCommand, update_id: str | None) -> Reply:
        try:
            return await self.update(patient_id, day, command, update_id)
        except DayClosedError:
            # At the day's end the clocks of client and server differ. A request that waited for long may also name a past day.
            later_day = max(self._calendar.day_of(self._now()), day + timedelta(days=1))
            return await self.update(patient_id, later_day, command, update_id)

    async def update(
        self, patient_id: int, day: date, command: Command | SystemCommand, update_id: str | None = None
    ) -> Reply:
        """Send `command` to the visit of exactly this day, and open it when there is none.

        A visit that has ended is opened again while its day lasts, and reads the ledger. After its day it is opened again
        only if it did not end by itself (it was terminated, for example): `DayClosedError` otherwise. `PatientMovedError` when the
        command belongs to the visit of another person.
        """
        reply = await self._update_with_resends(patient_id, day, command, update_id)
        if reply.moved_to is not None:
            raise PatientMovedError(reply.moved_to)
        if not reply.decided:
            raise DayClosedError
        return reply

    async def _update_with_resends(
        self, patient_id: int, day: date, command: Command | SystemCommand, update_id: str | None
    ) -> Reply:
        """The server drops a message that arrives between two runs. Then send it again."""
        attempts_left = SEND_ATTEMPTS
        while True:
            attempts_left -= 1
            try:
                return await self._update_once(patient_id, day, command, update_id)
            except WorkflowUpdateFailedError:
                if update_id is None or attempts_left == 0:
                    raise
                # The server repeats a failure for its update id until the run ends, so send it again without the id. The
                # ledger prevents that it takes effect twice.
                update_id = None
            except RPCError as error:
                if error.status is not RPCStatusCode.FAILED_PRECONDITION or attempts_left == 0:
                    raise
                await asyncio.sleep(RESEND_PAUSE_SECONDS)

    async def _update_once(
        self, patient_id: int, day: date, command: Command | SystemCommand, update_id: str | None
    ) -> Reply:
        if isinstance(command, ConsultationCommand):
            # A running consultation nearly always has its visit. An update without a start of the workflow costs the
            # server less.
            visit = self._client.get_workflow_handle_for(PatientVisit.run, visit_id(patient_id, day))
            handler = UPDATES[type(command).__name__]
            try:
                reply: Reply = await visit.execute_update(handler, command, id=update_id, result_type=Reply)
                return reply
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
        return await self._open_visit(
            patient_id, day, lambda opening, options: self._open_and_update(opening, options, command, update_id)
        )

    async def _open_visit(
        self, patient_id: int, day: date, start: Callable[[OpenVisit, dict[str, Any]], Awaitable[Result]]
    ) -> Result:
        """Start the visit, without the attributes for the UI if the namespace lacks one of them: they must block no patient."""
        if self._now() >= self._without_display_until:
            try:
                return await start(self._opening(patient_id, day), self._options(patient_id, day))
            except RPCError as error:
                if not _is_about_search_attributes(error):
                    raise
                # `/readyz` names the missing attribute.
                self._without_display_until = self._now() + WITHOUT_DISPLAY_FOR
        opening = self._opening(patient_id, day, with_display=False)
        return await start(opening, self._options(patient_id, day, with_display=False))

    async def _open_and_update(
        self, opening: OpenVisit, options: dict[str, Any], command: Command | SystemCommand, update_id: str | None
    ) -> Reply:
        start: WithStartWorkflowOperation[PatientVisit, None] = WithStartWorkflowOperation(
            PatientVisit.run, opening, **options
        )
        try:
            handle = await self._client.start_update_with_start_workflow(
                UPDATES[type(command).__name__],
                command,
                start_workflow_operation=start,
                wait_for_stage=WorkflowUpdateStage.COMPLETED,
                id=update_id,
                result_type=Reply,
            )
            reply: Reply = await handle.result()
        except BaseException as error:
            # Any failure has failed the start as well. asyncio would report its exception as never retrieved.
            _retrieve_exception(start)
            if isinstance(error, WorkflowAlreadyStartedError):
                raise DayClosedError from None
            raise
        return reply

    async def rescue(self, patient_id: int, day: date, reason: RescueReason, failed_run_id: str) -> None:
        """End the visit's workflow and open the visit again. The new run notes the rescue before it decides anything else.

        Of several processes that rescue one run, only the first ends it, unless they do so in the same moment.
        Raises like `update`, also when the new run is open but does not answer.
        """
        options = self._options(patient_id, day, with_display=False) | {
            # In one step with the start. Between two calls, another message could open a run that does not know of the rescue.
            "id_conflict_policy": WorkflowIDConflictPolicy.TERMINATE_EXISTING,
            "memo": {RESCUED_RUN_MEMO: failed_run_id},
        }
        # A write of search attributes may be what has failed, so the new run writes none.
        opening = self._opening(patient_id, day, with_display=False).model_copy(update={"rescue_reason": reason})
        # If a workflow has an update with this id already, the server does not end it.
        await self._open_and_update(opening, options, Adopt(), f"rescue/{failed_run_id}")

    async def serve_line(self, patient_id: int, day: date) -> None:
        """Make the visit of exactly this day read its facts again, and offer a free patient to its waiting line.

        Opens the visit, and raises, like `update`.
        """
        await self.update(patient_id, day, Adopt())
        # After `adopt`, a visit that runs already has the facts, but waits for its next timer. This signal makes it look for due
        # offers. Sent first, it could be lost, because `adopt` also makes the facts current.
        await self._client.get_workflow_handle(visit_id(patient_id, day)).signal(PatientVisit.patient_freed)

    async def signal(self, patient_id: int, day: date, command: Command) -> None:
        """Send `command` to the visit of that day without waiting for its decision. `DayClosedError` as for `update`."""
        await self._start(patient_id, day, start_signal=SIGNALS[type(command).__name__], start_signal_args=[command])

    async def end_retired(self, patient_id: int, day: date) -> None:
        """Make the visit of a record that was just retired end now. Without this, it ends at its next timer or message."""
        try:
            await self._client.get_workflow_handle(visit_id(patient_id, day)).signal(PatientVisit.patient_freed)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def open(self, patient_id: int, day: date) -> None:
        """Open the visit of that day without a message. `DayClosedError` as for `update`.

        A visit that is open stays as it is, and its history gets no event.
        """
        await self._start(patient_id, day)

    async def _start(self, patient_id: int, day: date, **signal: Any) -> None:
        async def start(opening: OpenVisit, options: dict[str, Any]) -> None:
            await self._client.start_workflow(PatientVisit.run, opening, **signal, **options)

        try:
            await self._open_visit(patient_id, day, start)
        except WorkflowAlreadyStartedError:
            raise DayClosedError from None

    def _opening(self, patient_id: int, day: date, *, with_display: bool = True) -> OpenVisit:
        bounds = self._calendar.hospital_day(day)
        return OpenVisit(
            patient_id=patient_id,
            day=day,
            day_starts_at=bounds.starts_at,
            day_ends_at=bounds.ends_at,
            yesterday_starts_at=bounds.yesterday_starts_at,
            limits=self._limits,
            zone=self._calendar.zone.key,
            writes_attributes=with_display,
        )

    def _options(self, patient_id: int, day: date, *, with_display: bool = True) -> dict[str, Any]:
        attributes: list[SearchAttributePair[Any]] = [
            SearchAttributePair(PATIENT_ID, patient_id),
            SearchAttributePair(VISIT_DAY, day.isoformat()),
            *(INITIAL_ATTRIBUTES if with_display else ()),
        ]
        return {
            "id": visit_id(patient_id, day),
            "task_queue": self._task_queue,
            "task_timeout": TASK_TIMEOUT,
            "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
            "id_reuse_policy": self._reuse_policy(day),
            "search_attributes": TypedSearchAttributes(attributes),
            "static_summary": title(patient_id, day),
        }

    def _reuse_policy(self, day: date) -> WorkflowIDReusePolicy:
        if self._now() < self._calendar.ends_at(day):
            # A visit that ended before the end of its day is opened again: its record was retired and may be separated, it was ended
            # from outside, or a foreign workflow had its id.
            return WorkflowIDReusePolicy.ALLOW_DUPLICATE
        return WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY


def _is_about_search_attributes(error: RPCError) -> bool:
    """Whether the namespace lacks a search attribute of the start, or has it with another type."""
    return error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message.lower()


def _retrieve_exception(start: WithStartWorkflowOperation[PatientVisit, None]) -> None:
    # The public method waits, and would wait forever after a call that was cancelled before it began.
    handle: Any = start._workflow_handle
    handle.add_done_callback(lambda future: future.cancelled() or future.exception())
