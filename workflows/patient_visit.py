"""One patient's local day as a workflow: one message at a time, decided, recorded, and only then true; it must not know SQL.

The path of a message: lock, `visit.policy.decide` (pure), `record_decision` (one transaction), and the facts that come back
are the new state. When the ledger says `overtaken` its facts are newer than ours, and the message is decided again on them.
"""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from patient_visit_engine.visit.calendar import to_millisecond
    from patient_visit_engine.visit.commands import (
        Adopt,
        CheckIn,
        CheckOut,
        Command,
        CompleteConsultation,
        ExtendConsultation,
        JoinWaitingLine,
        LeaveWaitingLine,
        OnConsultation,
        OpenVisit,
        ReleaseConsultation,
        Reply,
        Request,
        SetAppointmentStatus,
        StartConsultation,
        appointment_of,
    )
    from patient_visit_engine.visit.decisions import Decision
    from patient_visit_engine.visit.names import LOAD_FACTS, RECORD_DECISION, WORKFLOW_TYPE, visit_id
    from patient_visit_engine.visit.policy import decide, mismatch
    from patient_visit_engine.visit.record import LedgerEntry, Recorded
    from patient_visit_engine.visit.state import Appointment, Facts, VisitState
    from patient_visit_engine.visit.summary import summary
    from patient_visit_engine.visit.timers import day_is_over, decide_due, next_deadline

T = TypeVar("T")

# Each time round, somebody else's commit came between; the ledger's facts are then fresh, so two rounds are nearly always enough.
TRIES = 10
FAULT_PAUSE = timedelta(seconds=5)
LEDGER_CALL: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    # About a minute of a ledger that refuses at once. A time limit over all attempts is not kept for local activities, and a
    # visit that never gives up would fill its history with heartbeats until the server ends it.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=50),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=2),
        maximum_attempts=34,
    ),
}


@workflow.defn(name=WORKFLOW_TYPE)
class PatientVisit:
    """Serializes what doctors, desks and time do to one patient on one day."""

    @workflow.init
    def __init__(self, opening: OpenVisit) -> None:
        self._state = opening.carried or VisitState(
            patient_id=opening.patient_id,
            day=opening.day,
            day_ends_at=opening.day_ends_at,
            limits=opening.limits,
        )
        # A new run's state is what the ledger says; until it has said so, time decides nothing.
        self._known = opening.carried is not None
        self._lock = asyncio.Lock()
        self._messages = 0
        self._waiting_elsewhere: set[date] = set()

    @workflow.run
    async def run(self, opening: OpenVisit) -> None:
        """Let time decide what messages do not, until the day is over and nothing runs any more."""
        # The message that opened this visit goes first: it learns the facts on its way, and saves a fresh start one call.
        await workflow.wait_condition(lambda: not self._lock.locked())
        while True:
            await self._catch_up()
            await self._tell_other_days()
            if self._is_finished() or self._has_grown_long():
                # A handler cut off by the end of its run would leave its caller without the answer.
                await workflow.wait_condition(workflow.all_handlers_finished)
                if not self._known or self._waiting_elsewhere:
                    continue
                if self._is_finished():
                    return
                if self._has_grown_long():
                    workflow.continue_as_new(opening.model_copy(update={"carried": self._state}))
            else:
                await self._sleep()

    @workflow.query
    def snapshot(self) -> VisitState:
        """The visit's whole state."""
        return self._state

    @workflow.update
    async def start_consultation(self, command: StartConsultation) -> Reply:
        """Begin the appointment's consultation, or say who has the patient."""
        return await self._answer(command)

    @workflow.signal(name="start_consultation")
    async def start_consultation_later(self, command: StartConsultation) -> None:
        """The same, for a caller who does not wait for the answer."""
        await self._answer_later(command)

    @workflow.update
    async def complete_consultation(self, command: CompleteConsultation) -> Reply:
        """End the holder's consultation."""
        return await self._answer(command)

    @workflow.signal(name="complete_consultation")
    async def complete_consultation_later(self, command: CompleteConsultation) -> None:
        """The same, for a caller who does not wait for the answer."""
        await self._answer_later(command)

    @workflow.update
    async def extend_consultation(self, command: ExtendConsultation) -> Reply:
        """Move a consultation's expected end."""
        return await self._answer(command)

    @workflow.update
    async def release_consultation(self, command: ReleaseConsultation) -> Reply:
        """End a consultation that its holder forgot."""
        return await self._answer(command)

    @workflow.update
    async def check_in(self, command: CheckIn) -> Reply:
        """Note that the patient has arrived."""
        return await self._answer(command)

    @workflow.update
    async def check_out(self, command: CheckOut) -> Reply:
        """Note that the patient has left without being seen."""
        return await self._answer(command)

    @workflow.update
    async def set_appointment_status(self, command: SetAppointmentStatus) -> Reply:
        """Set the appointment's status."""
        return await self._answer(command)

    @workflow.update
    async def join_waiting_line(self, command: JoinWaitingLine) -> Reply:
        """Give the doctor a place in the line."""
        return await self._answer(command)

    @workflow.update
    async def leave_waiting_line(self, command: LeaveWaitingLine) -> Reply:
        """Take the doctor out of the line."""
        return await self._answer(command)

    @workflow.update
    async def adopt(self, command: Adopt) -> Reply:
        """Read the facts again, and keep the timers of consultations that no visit keeps."""
        async with self._lock:
            # Facts read outside the lock could be older than those of a decision recorded meanwhile.
            await self._load()
            for _ in range(TRIES):
                decision = decide(self._state, command, self._now())
                # Unlocked, a completion could slip in and this would adopt what has ended.
                if not decision.changes or not (await self._record(decision)).overtaken:
                    return Reply(decided=True)
            raise _overtaken()

    @workflow.signal
    def patient_freed(self) -> None:
        """Another day's visit ended the consultation that this day's line waits for."""
        self._known = False

    async def _answer(self, command: Command) -> Reply:
        # Unlocked, two starts would both be decided on the state before either was recorded.
        async with self._lock:
            self._messages += 1
            appointment = appointment_of(command)
            for _ in range(TRIES):
                now = self._now()
                if appointment is not None and (self._state.phase == "closing" or day_is_over(self._state, now)):
                    return Reply(decided=False)
                decision = _decide(self._state, command, appointment, now)
                # The answer may go out only after the commit; unlocked, the next message would not see it.
                recorded = await self._record(decision, command.request, appointment)
                if not recorded.overtaken:
                    return Reply(decided=True)
                appointment = recorded.appointment or appointment
            raise _overtaken()

    async def _answer_later(self, command: Command) -> None:
        try:
            await self._answer(command)
        except FailureError:
            # The open request stays in the database and the worker's sweep sends it again: raising here would end the visit.
            workflow.logger.warning("signal not carried out", extra={"request_id": command.request.id})

    async def _record(
        self, decision: Decision, request: Request | None = None, appointment: Appointment | None = None
    ) -> Recorded:
        entry = LedgerEntry(
            patient_id=self._state.patient_id,
            day=self._state.day,
            decision=decision,
            seen=self._state.facts,
            request=request,
            appointment=appointment,
        )
        recorded: Recorded = await self._ask(RECORD_DECISION, entry, Recorded)
        self._take(recorded.facts)
        return recorded

    async def _load(self) -> None:
        facts: Facts = await self._ask(LOAD_FACTS, self._state.patient_id, Facts)
        self._take(facts)

    async def _ask(self, name: str, question: Any, answer: type[T]) -> T:
        # Set before and not after: a `patient_freed` that comes meanwhile tells of facts newer than this answer's.
        self._known = True
        try:
            answered: T = await workflow.execute_local_activity(name, question, result_type=answer, **LEDGER_CALL)
        # A local activity's own failure comes bare, not inside an `ActivityError`; uncaught in the timers' loop it ends the visit.
        except FailureError:
            self._known = False
            raise
        return answered

    def _take(self, facts: Facts) -> None:
        """Make the ledger's facts the visit's own, and show them to whoever looks at the visit in Temporal's UI."""
        was_busy = self._state.exclusive_consultation() is not None
        self._state = self._state.model_copy(update={"facts": facts})
        workflow.set_current_details(summary(self._state))
        if was_busy and self._state.exclusive_consultation() is None:
            self._waiting_elsewhere |= {place.day for place in facts.waiting if place.day != self._state.day}

    async def _catch_up(self) -> None:
        """Do what is due, one decision after the other; with the ledger away, try again a little later."""
        try:
            # Unlocked, time would end a consultation that a completion being recorded is about to end.
            async with self._lock:
                if not self._known:
                    await self._load()
                while (decision := decide_due(self._state, self._now())) is not None:
                    await self._record(decision)
                if day_is_over(self._state, self._now()):
                    self._state = self._state.model_copy(update={"phase": "closing"})
        except FailureError:
            workflow.logger.warning("the ledger is away", extra={"visit_id": workflow.info().workflow_id})
            await workflow.sleep(FAULT_PAUSE)

    async def _tell_other_days(self) -> None:
        for day in sorted(self._waiting_elsewhere):
            # Taken out before the await: a day added meanwhile must not be forgotten with those that were told.
            self._waiting_elsewhere.discard(day)
            other = workflow.get_external_workflow_handle(visit_id(self._state.patient_id, day))
            try:
                await other.signal(PatientVisit.patient_freed)
            except FailureError:
                # A visit that has ended has no line any more.
                workflow.logger.info("no visit to tell", extra={"visit_id": other.id})

    async def _sleep(self) -> None:
        """Until something is due; a deadline that moves away leaves the timer as it is, one that comes nearer does not."""
        armed = next_deadline(self._state)
        rest = None if armed is None else max(armed - self._now(), timedelta(0))

        def needs_attention() -> bool:
            nearest = next_deadline(self._state)
            return (
                not self._known
                or bool(self._waiting_elsewhere)
                or self._is_finished()
                or self._has_grown_long()
                or (nearest is not None and (armed is None or nearest < armed))
            )

        try:
            await workflow.wait_condition(needs_attention, timeout=rest)
        except TimeoutError:
            return

    def _is_finished(self) -> bool:
        return self._known and self._state.phase == "closing" and not self._state.my_consultations()

    def _has_grown_long(self) -> bool:
        return self._messages >= self._state.limits.messages_per_run or workflow.info().is_continue_as_new_suggested()

    def _now(self) -> datetime:
        return to_millisecond(workflow.now())


def _decide(state: VisitState, command: Command, appointment: Appointment | None, now: datetime) -> Decision:
    """Decide on the appointment as the ledger has it; given to somebody else meanwhile, it is not the asker's any more."""
    asked = appointment_of(command)
    if isinstance(command, OnConsultation) or asked is None or appointment is None or asked == appointment:
        return decide(state, command, now)
    if (asked.patient_id, asked.doctor_id) != (appointment.patient_id, appointment.doctor_id):
        return mismatch(now)
    return decide(state, command.model_copy(update={"appointment": appointment}), now)


def _overtaken() -> ApplicationError:
    return ApplicationError("the facts changed at each try", type="overtaken", non_retryable=True)
