"""The queue of sign-ins: a few passwords are hashed at a time, and a bounded number of attempts waits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from patient_visit_engine.api.access.sign_in_budget import Answer, Attempt, SignInBudget, Verdict
from patient_visit_engine.api.access.sign_in_problems import FailedPassword, SignInBusy, SignInProblem, TooManyAttempts

#: The number of passwords hashed at the same time. Each takes tens of milliseconds of one core, and tens of mebibytes.
HASHING_THREADS = 2
#: Attempts that wait, of strangers and of accounts at a place where they have signed in before. Each of the two has its own part
#: of the queue, so strangers cannot fill the other. The last of 64 waits a few seconds.
MAX_WAITING = 64
#: Waiting strangers of one address. A shift that begins at one moment behind one address fits.
MAX_WAITING_PER_ADDRESS = 32
#: Waiting attempts with one name at one address. Right passwords cost no budget, so without this limit a program with one account
#: could fill the part of the known places.
MAX_WAITING_PER_NAME = 16
#: The addresses and names of which the turns are counted. More of them come only from a flood with ever new addresses.
MAX_TURNS = 10_000


@dataclass(eq=False, slots=True)
class _Waiting:
    attempt: Attempt
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class SignInQueue:
    """Gives each attempt its turn. `now` returns the time in seconds. Belongs to one event loop."""

    def __init__(self, budget: SignInBudget, now: Callable[[], float], slots: int = HASHING_THREADS) -> None:
        self._budget = budget
        self._now = now
        self._slots = slots
        self._waiting: list[_Waiting] = []
        self._running: list[Attempt] = []
        #: The turns of each address, or known name, since the queue was empty. A newcomer has had none, so it comes next.
        self._turns: Counter[tuple[str, str | None]] = Counter()

    @asynccontextmanager
    async def turn(self, attempt: Attempt) -> AsyncIterator[None]:
        """Wait for the turn of this attempt, and check its password in the context.

        Raises `TooManyAttempts` when the budget is used up, and `SignInBusy` when the queue is full. `FailedPassword` in the
        context costs budget. Any other exception is a fault, and costs none.
        """
        await self._wait(attempt)
        settle = self._budget.give_back
        try:
            yield
            settle = self._budget.forgive
        except FailedPassword:
            settle = self._budget.fail
            raise
        finally:
            self._leave(attempt, settle)

    async def _wait(self, attempt: Attempt) -> None:
        answer = self._budget.check(attempt, self._now())
        if answer.verdict in (Verdict.refused, Verdict.full):
            raise _problem(answer)
        if self._is_over_its_share(attempt) or not self._has_room_for(attempt):
            raise SignInBusy("the queue is full")
        waiting = _Waiting(attempt)
        self._waiting.append(waiting)
        self._admit()
        try:
            await waiting.admitted
        except asyncio.CancelledError:
            self._withdraw(waiting)
            raise

    def _is_over_its_share(self, attempt: Attempt) -> bool:
        same_address = [each.attempt for each in self._part_of(attempt) if each.attempt.network == attempt.network]
        same_name = [each for each in same_address if each.login == attempt.login]
        return (not attempt.is_known and len(same_address) >= MAX_WAITING_PER_ADDRESS) or len(
            same_name
        ) >= MAX_WAITING_PER_NAME

    def _has_room_for(self, attempt: Attempt) -> bool:
        """Whether the attempt may wait. In a full part, the newest attempt of the address with the most gives way to an address with
        fewer. Otherwise a few addresses could keep everyone else out.
        """
        part = self._part_of(attempt)
        if len(part) < MAX_WAITING:
            return True
        waiting_of = Counter(each.attempt.network for each in part)
        network, most = waiting_of.most_common(1)[0]
        if waiting_of[attempt.network] + 1 >= most:
            return False
        newest = next(each for each in reversed(part) if each.attempt.network == network)
        self._waiting.remove(newest)
        if not newest.admitted.done():
            newest.admitted.set_exception(SignInBusy("the queue is full"))
        return True

    def _part_of(self, attempt: Attempt) -> list[_Waiting]:
        """The part of the queue for attempts of this kind, in order of arrival."""
        return [each for each in self._waiting if each.attempt.is_known == attempt.is_known]

    def _withdraw(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif waiting.admitted.done() and not waiting.admitted.cancelled() and waiting.admitted.exception() is None:
            # The turn came at the moment of the cancellation, so no one else would give it back.
            self._leave(waiting.attempt, self._budget.give_back)

    def _leave(self, attempt: Attempt, settle: Callable[[Attempt, float], None]) -> None:
        self._running.remove(attempt)
        settle(attempt, self._now())
        self._admit()

    def _admit(self) -> None:
        """Admit those who may go now, and refuse those whose budget others have used up since they came."""
        for waiting in self._in_order():
            answer = self._budget.check(waiting.attempt, self._now())
            is_admitted = answer.verdict is Verdict.admitted
            if answer.verdict is Verdict.pending or (is_admitted and len(self._running) >= self._slots):
                continue
            self._waiting.remove(waiting)
            if waiting.admitted.done():
                continue
            if is_admitted:
                self._budget.reserve(waiting.attempt)
                self._running.append(waiting.attempt)
                self._turns[_queued_as(waiting.attempt)] += 1
                waiting.admitted.set_result(None)
            else:
                waiting.admitted.set_exception(_problem(answer))
        if not (self._waiting or self._running) or len(self._turns) > MAX_TURNS:
            self._turns.clear()

    def _in_order(self) -> list[_Waiting]:
        """Known places first, by names in turn. Then addresses take turns, so a flood from one does not delay the others."""
        ahead: Counter[tuple[str, str | None]] = Counter()
        order: list[tuple[bool, int, int, _Waiting]] = []
        for arrival, waiting in enumerate(self._waiting):
            attempt, who = waiting.attempt, _queued_as(waiting.attempt)
            order.append((not attempt.is_known, self._turns[who] + ahead[who], arrival, waiting))
            ahead[who] += 1
        return [waiting for *_, waiting in sorted(order, key=lambda place: place[:3])]


def _queued_as(attempt: Attempt) -> tuple[str, str | None]:
    """Who takes turns: each name at a known place, or all strangers of an address together."""
    return attempt.network, attempt.login if attempt.is_known else None


def _problem(answer: Answer) -> SignInProblem:
    if answer.verdict is Verdict.full:
        return SignInBusy(f"no record is free for {answer.budget.value}")
    return TooManyAttempts(answer.budget.value, answer.wait)
