"""One patient's hospital day as a workflow: it decides one message at a time, records the decision, and only then changes its state.

The path of a message: lock, `visit.policy.decide` (pure), `record_decision` (one transaction). The facts that come back are the
new state. When the ledger replies `overtaken`, its facts are newer, and the message is decided again on them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

from patient_visit_engine.workflows.day_messages import DayMessages
from patient_visit_engine.workflows.ledger_calls import LedgerCalls
from patient_visit_engine.workflows.update_failures import expired, not_noted, overtaken, wrong_visit
from patient_visit_engine.workflows.visit_display import VisitDisplay

with workflow.unsafe.imports_passed_through():
    from patient_visit_engine.visit.appointment import Appointment
    from patient_visit_engine.visit.appointment_commands import (
        JoinWaitingLine,
        LeaveWaitingLine,
    )
    from patient_visit_engine.visit.calendar import to_millisecond
    from patient_visit_engine.visit.carry_over import visit_ends_at
    from patient_visit_engine.visit.commands import (
        COMMAND_NAMES,
        Command,
        SystemCommand,
        appointment_of,
        call_of,
        day_of,
        keeps_refusal,
        named_record_of,
        past_tracking_of,
        patient_of,
        required_version,
        retired_record_of,
        walk_in_of,
        with_busy_doctor,
        with_call,
        with_day,
        with_past_tracking,
        with_retired_record,
        with_walk_in,
    )
    from patient_visit_engine.visit.consultation_commands import (
        CompleteConsultation,
        ExtendConsultation,
        Pause,
        ReleaseConsultation,
        Reopen,
        Resume,
        StartConsultation,
        Transfer,
        UndoStart,
    )
    from patient_visit_engine.visit.decisions import Decision
    from patient_visit_engine.visit.facts import Facts
    from patient_visit_engine.visit.names import WORKFLOW_TYPE, visit_id
    from patient_visit_engine.visit.patient_commands import (
        Adopt,
        Rescue,
    )
    from patient_visit_engine.visit.policy import decide, decide_on_appointment
    from patient_visit_engine.visit.record import LedgerEntry, LedgerReply, new_person
    from patient_visit_engine.visit.state import VisitState
    from patient_visit_engine.visit.timers import day_is_over, decide_due, next_deadline, next_timer
    from patient_visit_engine.visit.visit_messages import OpenVisit, Reply

# Each round means that the visit did not have the newest facts. The ledger returns them, so two rounds are nearly always enough.
DECIDE_ROUNDS = 10


# By default the SDK repeats a workflow task that fails with one of these errors, for ever, and the patient would be blocked. This
# way an update with wrong arguments is rejected; `message_guard` ignores such a signal. A history that does not fit the code is no
# such error: see `visit_rescue`.
HANDLER_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=HANDLER_ERRORS)
class PatientVisit(DayMessages):
    """Handles all commands and timers for one patient on one day, one at a time."""

    @workflow.init
    def __init__(self, opening: OpenVisit) -> None:
        self._state = opening.carried or VisitState(
            patient_id=opening.patient_id,
            day=opening.day,
            day_starts_at=opening.day_starts_at,
            day_ends_at=opening.day_ends_at,
            yesterday_starts_at=opening.yesterday_starts_at,
            limits=opening.limits,
        )
        # Whether the facts are those of the ledger. A new visit has not read them yet, so its timers decide nothing.
        self._is_current = opening.carried is not None and opening.is_current
        # Only a start by hand can have the id of another visit.
        self._has_own_id = workflow.info().workflow_id == visit_id(self._state.patient_id, self._state.day)
        self._rescue_reason = opening.rescue_reason
        self._ledger = LedgerCalls()
        self._display = VisitDisplay(opening)
        self._lock = asyncio.Lock()
        self._messages = 0

    @workflow.run
    async def run(self, opening: OpenVisit) -> None:
        """Handle what is due, until the patient's moment after the end of the day (see `visit.carry_over`)."""
        if not self._has_own_id:
            # This run fails, and the next message opens the visit to which the id belongs.
            raise wrong_visit()
        self._display.show(self._state)
        # Wait until the message that opened this visit has been handled. Recording it returns the facts, so the visit
        # need not load them.
        await workflow.wait_condition(lambda: not self._lock.locked())
        while True:
            await self._handle_due()
            if self._is_finished() or self._must_continue_as_new():
                # If the run ended while a handler is active, the handler's caller would get no answer.
                await workflow.wait_condition(workflow.all_handlers_finished)
                # The handlers may have changed the state, so the conditions are checked again. While the ledger is away, the next
                # run reads the facts.
                if not (self._is_current or self._ledger.is_away):
                    continue
                if self._is_finished():
                    return
                if self._must_continue_as_new():
                    carried = {
                        "carried": self._state,
                        "is_current": self._is_current,
                        "rescue_reason": self._rescue_reason,
                    }
                    workflow.continue_as_new(opening.model_copy(update=carried))
            else:
                await self._wait_for_deadline()

    @workflow.query(description="The whole state of the visit.")
    def snapshot(self) -> VisitState:
        return self._state

    @workflow.update(description="Begin the appointment's consultation, or refuse it.")
    async def start_consultation(self, command: StartConsultation) -> Reply:
        return await self._handle(command)

    @workflow.signal(
        name="start_consultation", description="Begin the appointment's consultation. The caller does not wait."
    )
    async def start_consultation_later(self, command: StartConsultation) -> None:
        await self._handle_signal(command)

    @workflow.update(description="End the holder's consultation.")
    async def complete_consultation(self, command: CompleteConsultation) -> Reply:
        return await self._handle(command)

    @workflow.signal(
        name="complete_consultation", description="End the holder's consultation. The caller does not wait."
    )
    async def complete_consultation_later(self, command: CompleteConsultation) -> None:
        await self._handle_signal(command)

    @workflow.update(description="Move the expected end of the holder's consultation.")
    async def extend_consultation(self, command: ExtendConsultation) -> Reply:
        return await self._handle(command)

    @workflow.update(description="End a consultation that its holder forgot.")
    async def release_consultation(self, command: ReleaseConsultation) -> Reply:
        return await self._handle(command)

    @workflow.update(description="End a consultation whose start was a mistake.")
    async def undo_start(self, command: UndoStart) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Interrupt the holder's consultation, so that the patient is free for others.")
    async def pause(self, command: Pause) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Go on with a paused consultation, or refuse it.")
    async def resume(self, command: Resume) -> Reply:
        return await self._handle(command)

    @workflow.update(description="End the consultation, and keep the patient for another doctor.")
    async def transfer(self, command: Transfer) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Continue a consultation whose completion was a mistake.")
    async def reopen(self, command: Reopen) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Give the doctor a place in the waiting line.")
    async def join_waiting_line(self, command: JoinWaitingLine) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Take the doctor out of the waiting line.")
    async def leave_waiting_line(self, command: LeaveWaitingLine) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Read the facts again, and take over what is open from earlier days.")
    async def adopt(self, command: Adopt) -> Reply:
        return await self._handle_system_command(command)

    @workflow.update(description="Note that a rescue has ended the earlier run. Only older programs send this.")
    async def rescue(self, command: Rescue) -> Reply:
        return await self._handle_system_command(command)

    @workflow.signal(description="Read the facts again, and do what is due. It does no harm at any time.")
    def patient_freed(self) -> None:
        # The sweep, the rescue, and the API after a merge send this signal. Its name is that of an older meaning.
        self._is_current = False

    @asynccontextmanager
    async def _deciding(self) -> AsyncIterator[None]:
        """Surrounds one message, or what is due, and then shows its result in Temporal's UI."""
        async with self._lock:
            try:
                yield
            except FailureError:
                self._display.show(self._state)
                raise
            self._display.show(self._state)

    async def _handle_system_command(self, command: SystemCommand) -> Reply:
        async with self._deciding():
            # Facts that were read without the lock could be older than those of a decision recorded in between.
            await self._load_facts()
            await self._note_rescue()
            # Without the lock a completion could come first, and this would adopt a consultation that has ended.
            await self._decide_for_the_engine(command)
            return Reply(decided=True)

    async def _note_rescue(self) -> None:
        """Record that a rescue has opened this run, before any other decision."""
        if self._rescue_reason is not None:
            try:
                await self._decide_for_the_engine(Rescue(reason=self._rescue_reason))
            except FailureError:
                # Not the same failure: it would say that the decision on the command can never be recorded.
                raise not_noted() from None
            self._rescue_reason = None

    async def _decide_for_the_engine(self, command: SystemCommand) -> None:
        for retries in range(DECIDE_ROUNDS):
            decision = decide(command, self._state, self._now())
            if self._is_retired or not decision.changes:
                return
            if not (await self._record(decision, command, None, retries)).overtaken:
                return
        raise overtaken()

    async def _handle(self, command: Command) -> Reply:
        if not self._has_own_id or patient_of(command) != self._state.patient_id:
            raise wrong_visit()
        # Without the lock two starts would both be decided on the state before either was recorded.
        async with self._deciding():
            self._messages += 1
            await self._note_rescue()
            if self._is_retired:
                # The merge may have been undone since.
                await self._load_facts()
            appointment = appointment_of(command)
            for retries in range(DECIDE_ROUNDS):
                now = self._now()
                if self._state.phase == "closing" or day_is_over(self._state, now):
                    return Reply(decided=False)
                if self._is_retired:
                    return Reply(decided=False, moved_to=self._state.facts.moved_to)
                decision = decide_on_appointment(command, appointment, self._state, now)
                # Still under the lock, so the next message is decided on these facts.
                recorded = await self._record(decision, command, appointment, retries)
                if recorded.expired:
                    raise expired()
                if not recorded.overtaken:
                    return Reply(decided=True, answer=recorded.answer, code=recorded.code)
                if (person_id := new_person(command, recorded)) is not None:
                    return Reply(decided=False, moved_to=person_id)
                appointment = recorded.appointment or appointment
                command = with_busy_doctor(command, recorded.busy_with)
                command = with_retired_record(command, recorded.retired)
                command = with_past_tracking(command, recorded.past)
                command = with_day(command, recorded.day_appointments)
                command = with_walk_in(command, recorded.walk_in)
                command = with_call(command, recorded.call)
            raise overtaken()

    async def _handle_signal(self, command: Command) -> None:
        try:
            await self._handle(command)
        except FailureError:
            # An error here would end the visit. The open request stays in the database, and the sweep sends it again.
            workflow.logger.warning("signal not carried out", extra={"request_id": command.request.id})

    async def _record(
        self,
        decision: Decision,
        command: Command | SystemCommand | None = None,
        appointment: Appointment | None = None,
        retries: int = 0,
    ) -> LedgerReply:
        entry = LedgerEntry(
            patient_id=self._state.patient_id,
            day=self._state.day,
            decision=decision,
            seen=self._state.facts,
            request=command.request if isinstance(command, Command) else None,
            appointment=appointment,
            command="" if command is None else COMMAND_NAMES[type(command)],
            retries=retries,
            retired=retired_record_of(command),
            past=past_tracking_of(command),
            day_appointments=day_of(command),
            walk_in=walk_in_of(command),
            call=call_of(command),
            keeps_refusal=keeps_refusal(command),
            day_starts_at=None if keeps_refusal(command) else self._state.day_starts_at,
            yesterday_starts_at=None if keeps_refusal(command) else self._state.yesterday_starts_at,
            version=required_version(command),
            record_id=named_record_of(command),
        )
        with self._facts_become_current():
            recorded = await self._ledger.record_decision(entry)
        self._apply_facts(recorded.facts)
        return recorded

    async def _load_facts(self) -> None:
        with self._facts_become_current():
            facts = await self._ledger.load_facts(self._state.patient_id)
        self._apply_facts(facts)

    @contextmanager
    def _facts_become_current(self) -> Iterator[None]:
        """Surrounds a call to the ledger, which returns the newest facts unless it fails."""
        # Set before the call. If `patient_freed` arrives during the call, the facts must be loaded again after it.
        self._is_current = True
        try:
            yield
        # A local activity raises its own failure, not an `ActivityError`.
        except FailureError:
            self._is_current = False
            raise

    def _apply_facts(self, facts: Facts) -> None:
        """Take the ledger's facts as the visit's facts."""
        self._state = self._state.model_copy(update={"facts": facts})

    async def _handle_due(self) -> None:
        """Record what is due, one decision after the other. When a call to the ledger fails, pause."""
        try:
            # Without the lock a timer could end a consultation while its completion is being recorded.
            async with self._deciding():
                if not self._is_current:
                    await self._load_facts()
                await self._note_rescue()
                call = None
                while (decision := decide_due(self._state, self._now(), call)) is not None:
                    call = (await self._record(decision)).call
                if day_is_over(self._state, self._now()):
                    self._state = self._state.model_copy(update={"phase": "closing"})
        # If this were not caught, it would end `run`, and the visit with it.
        except FailureError:
            workflow.logger.warning("the ledger call failed", extra={"visit_id": workflow.info().workflow_id})
            await self._ledger.pause()

    async def _wait_for_deadline(self) -> None:
        """Wait until something is due.

        If the next deadline becomes later, the timer stays. If it becomes earlier, the timer is set again.
        """
        timer_at, reason = next_timer(self._state)
        timeout = max(timer_at - self._now(), timedelta(0))

        def needs_attention() -> bool:
            return (
                not self._is_current
                or self._is_finished()
                or self._must_continue_as_new()
                or next_deadline(self._state) < timer_at
            )

        try:
            await workflow.wait_condition(needs_attention, timeout=timeout, timeout_summary=reason)
        except TimeoutError:
            return

    @property
    def _is_retired(self) -> bool:
        """Whether the patient's record was merged into another one. Then the visit decides nothing, and ends."""
        return self._state.facts.moved_to is not None

    def _is_finished(self) -> bool:
        is_over = self._state.phase == "closing" and self._now() >= visit_ends_at(self._state)
        return self._is_current and (is_over or self._is_retired)

    def _must_continue_as_new(self) -> bool:
        return self._messages >= self._state.limits.messages_per_run or workflow.info().is_continue_as_new_suggested()

    def _now(self) -> datetime:
        return to_millisecond(workflow.now())
