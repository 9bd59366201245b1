"""Answers 503 `undecided`, and finds out why, for the log and the metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import structlog
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.api.commands.visit_looks import VisitLooks
from patient_visit_engine.api.problems import RETRY_AFTER_SECONDS, Problem
from patient_visit_engine.api.readiness import Problems
from patient_visit_engine.runtime.temporal import is_unconnected
from patient_visit_engine.storage.database import is_unavailable
from patient_visit_engine.visit.commands import COMMAND_NAMES, Command, patient_of
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.workflows.update_failures import EXPIRED, UNRECORDABLE_FAILURES, WRONG_VISIT
from patient_visit_engine.workflows.visit_errors import UNDECIDED_ERRORS, DayClosedError
from patient_visit_engine.workflows.visit_rescue import VisitLook

logger = structlog.get_logger()

#: Seconds for the questions that find a reason. When Temporal does not answer them in this time, it counts as away.
REASON_TIMEOUT_SECONDS = 5.0


class UndecidedReason(StrEnum):
    """Why a request got no answer in time."""

    #: No worker has taken the visit's task: none runs, or all are busy.
    no_worker = "no_worker"
    temporal_away = "temporal_away"
    #: The visit cannot decide, because its workflow fails. It is rescued after one or two further requests.
    visit_wedged = "visit_wedged"
    #: The database does not answer, or takes no writes.
    ledger_away = "ledger_away"
    #: Everything is there, but the decision came too late.
    too_slow = "too_slow"
    #: The ledger rejected the decision, or had other facts at each attempt.
    unrecordable = "unrecordable"
    #: The day ended, and the next day's visit did not take the command either.
    day_closed = "day_closed"


@dataclass(frozen=True)
class SentCommand:
    """A command that was sent to the visit of `day`."""

    command: Command
    day: date


@dataclass(frozen=True)
class UnsentCall:
    """A call of which the command could not be looked up. `ids` are the ids in its body, by field."""

    call: str
    ids: Mapping[str, int]


class Undecided(Problem):
    """No answer came in time. The request may still be carried out, once. A retry with the same key gets the answer.

    `reason` is None when it is not known yet. Without a known command, `sent` is the call itself, or None.
    """

    def __init__(self, reason: UndecidedReason | None, sent: SentCommand | UnsentCall | None = None) -> None:
        title = "The engine did not answer in time. Retry with the same Idempotency-Key"
        super().__init__(503, "undecided", title, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        self.reason = reason
        self.sent = sent


def leaves_undecided(error: Exception) -> bool:
    """Whether the error means that the result is unknown, and not that the program has a fault."""
    return isinstance(error, UNDECIDED_ERRORS) or is_unavailable(error) or is_unconnected(error)


def reason_of(error: Exception) -> UndecidedReason | None:
    """The reason that an error of the visit's client or of the database shows by itself. None: only a look can find it."""
    if isinstance(error, WorkflowUpdateFailedError):
        return _reason_of_failure(error.cause)
    if isinstance(error, DayClosedError):
        return UndecidedReason.day_closed
    if is_unconnected(error) or (isinstance(error, RPCError) and error.status is RPCStatusCode.UNAVAILABLE):
        return UndecidedReason.temporal_away
    if is_unavailable(error) and not isinstance(error, TimeoutError):
        return UndecidedReason.ledger_away
    return None


def _reason_of_failure(cause: BaseException | None) -> UndecidedReason:
    """The reason that a visit gives when it rejects a command."""
    failure = cause.type if isinstance(cause, ApplicationError) else None
    if failure == EXPIRED:
        return UndecidedReason.too_slow
    if failure == WRONG_VISIT:
        return UndecidedReason.visit_wedged
    # Any other failure is the class of the database error that the worker got.
    return UndecidedReason.unrecordable if failure in UNRECORDABLE_FAILURES else UndecidedReason.ledger_away


class UndecidedReports:
    """Logs and counts each answer 503 `undecided`, once, with its reason. A visit that did not answer is looked at.

    `find_problems` returns what `/readyz` knows. `count` counts one answer by its reason.
    """

    def __init__(
        self, looks: VisitLooks, find_problems: Callable[[], Awaitable[Problems]], count: Callable[[str], None]
    ) -> None:
        self._looks = looks
        self._find_problems = find_problems
        self._count = count
        self._reports: set[asyncio.Task[None]] = set()

    def report(self, undecided: Undecided) -> None:
        """Report one answer in the background. Call it in the task of the HTTP request: the line then has the request's id."""
        report = asyncio.create_task(self._report(undecided))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)

    def look_at(self, undecided: Undecided) -> None:
        """Look at a visit that gave no answer, because a look is what rescues it. The call itself goes on without this visit."""
        if isinstance(undecided.sent, SentCommand):
            self._looks.look_at(patient_of(undecided.sent.command), undecided.sent.day)

    async def close(self) -> None:
        """Wait until all answers are reported."""
        await asyncio.gather(*self._reports)

    async def _report(self, undecided: Undecided) -> None:
        reason = await self._find_reason(undecided)
        line: dict[str, object] = {"reason": reason.value}
        if isinstance(undecided.sent, UnsentCall):
            line |= {"call": undecided.sent.call, **undecided.sent.ids}
        elif undecided.sent is not None:
            command = undecided.sent.command
            line["command"] = COMMAND_NAMES[type(command)]
            line["request_id"] = command.request.id
            line["visit"] = visit_id(patient_of(command), undecided.sent.day)
        self._count(reason.value)
        logger.warning("undecided", **line)

    async def _find_reason(self, undecided: Undecided) -> UndecidedReason:
        """The most specific reason that can be found now. The cause may have passed already: then it was too slow."""
        sent = undecided.sent
        if not isinstance(sent, SentCommand):
            return undecided.reason or UndecidedReason.ledger_away
        # Also when the reason is known, because a look is what rescues a visit.
        look = self._looks.look_at(patient_of(sent.command), sent.day)
        if undecided.reason is not None:
            return undecided.reason
        try:
            async with asyncio.timeout(REASON_TIMEOUT_SECONDS):
                return await self._find_reason_of_silence(look)
        except TimeoutError:
            return UndecidedReason.temporal_away

    async def _find_reason_of_silence(self, look: Awaitable[VisitLook]) -> UndecidedReason:
        problems = await self._find_problems()
        if "temporal" in problems:
            return UndecidedReason.temporal_away
        visit = await look
        if visit.is_failing:
            return UndecidedReason.visit_wedged
        if "workers" in problems or visit.waits_for_worker:
            return UndecidedReason.no_worker
        if "database" in problems or "schema" in problems:
            return UndecidedReason.ledger_away
        return UndecidedReason.too_slow
