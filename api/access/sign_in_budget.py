"""The rules for failed sign-ins: how many are free, and how long the next attempt waits. Pure: the time is passed in.

Only a failed attempt costs budget. But each attempt is reserved before its password is checked. Otherwise any number of concurrent
guesses would pass together before the first one has failed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from math import ceil

#: Records of each kind of budget. Each record is a failure that is not forgotten yet, and a failure costs a hash. Two threads hash
#: about 100 passwords a second at most, and a failure is forgotten after a minute. So an attacker cannot fill a table, and
#: no record needs to give way to others, which would forgive its failures.
MAX_RECORDS = 10_000
#: So that a very long attack does not overflow a number. The longest wait is reached much earlier.
MAX_DOUBLINGS = 20
#: Times are cut to milliseconds, so a failure may look forgotten a little too late.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Limit:
    """Times in seconds. After `free` failures an attempt waits `first_wait`, then twice as long each time, up to `longest_wait`.

    One failure is forgotten every `forget_after`. So a guesser gets one attempt in this time in the long run.
    """

    free: int
    first_wait: float
    longest_wait: float
    forget_after: float


class Budget(Enum):
    """What failures are counted for."""

    #: One name at one address: a person who types a wrong password. Five errors are free. After eight the wait is 16 seconds.
    name_at_address = "name_at_address"
    #: One name at all addresses where its account has never signed in: guesses at one account from many machines.
    name = "name"
    #: All names at one address where their accounts have never signed in: one password tried with many names.
    address = "address"
    #: All accounts that have signed in at this address before. Larger, because one address can be a whole hospital.
    known_at_address = "known_at_address"


LIMITS: Mapping[Budget, Limit] = {
    Budget.name_at_address: Limit(free=5, first_wait=2, longest_wait=60, forget_after=60),
    Budget.name: Limit(free=20, first_wait=2, longest_wait=60, forget_after=60),
    Budget.address: Limit(free=20, first_wait=1, longest_wait=30, forget_after=30),
    Budget.known_at_address: Limit(free=60, first_wait=1, longest_wait=10, forget_after=10),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in. `login` is the folded name, and `is_known` says that its account has signed in at `network` before."""

    login: str
    network: str
    is_known: bool

    def budgets(self) -> Iterator[tuple[Budget, str]]:
        """The budgets that this attempt needs.

        An account at a place where it has signed in before does not need the budgets that strangers can use up.
        """
        yield Budget.name_at_address, f"{self.network} {self.login}"
        if self.is_known:
            yield Budget.known_at_address, self.network
        else:
            yield Budget.name, self.login
            yield Budget.address, self.network


@dataclass(slots=True)
class _Failures:
    """`count` failures at the time `at`, and attempts that are being checked."""

    count: float = 0.0
    at: float = 0.0
    pending: int = 0

    def left(self, now: float, limit: Limit) -> int:
        """The failures that are not forgotten. A partly forgotten one still counts."""
        return ceil(max(0.0, self._decayed(now, limit)) - ROUNDING)

    def wait(self, now: float, limit: Limit) -> float:
        """Seconds until the next attempt, when none is pending."""
        over = self.left(now, limit) - limit.free
        if over < 0:
            return 0.0
        wait = min(limit.longest_wait, limit.first_wait * 2.0 ** min(over, MAX_DOUBLINGS))
        return max(0.0, wait - self._elapsed(now))

    def add(self, now: float, limit: Limit) -> None:
        """Count one failure more."""
        self.count = max(0.0, self._decayed(now, limit)) + 1
        self.at = now

    def _decayed(self, now: float, limit: Limit) -> float:
        return self.count - self._elapsed(now) / limit.forget_after

    def _elapsed(self, now: float) -> float:
        # After a step of the clock back in time, no one must wait for the size of the step.
        self.at = min(self.at, now)
        return now - self.at


class Verdict(Enum):
    """Whether an attempt may be checked now."""

    admitted = "admitted"
    #: Other attempts with the same name or address are being checked. Their passwords may be right, so their outcome decides.
    pending = "pending"
    refused = "refused"
    #: There is no place for another record.
    full = "full"


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict, the budget that decides it, and for a refusal the seconds to wait."""

    verdict: Verdict
    budget: Budget
    wait: float = 0.0


class SignInBudget:
    """Counts failures in memory. `now` is in seconds."""

    def __init__(self, limits: Mapping[Budget, Limit] = LIMITS, max_records: int = MAX_RECORDS) -> None:
        self._limits = limits
        self._max_records = max_records
        self._records: dict[Budget, dict[str, _Failures]] = {budget: {} for budget in Budget}

    def check(self, attempt: Attempt, now: float) -> Answer:
        """Whether the attempt may be checked now. Reserves nothing. A refusal names the budget with the longest wait."""
        answer = Answer(Verdict.admitted, Budget.name_at_address)
        for budget, key in attempt.budgets():
            limit, record = self._limits[budget], self._records[budget].get(key)
            if record is None:
                if self._is_full(budget, now):
                    return Answer(Verdict.full, budget)
            elif not record.pending:
                if (wait := record.wait(now, limit)) > answer.wait:
                    answer = Answer(Verdict.refused, budget, wait)
            elif record.left(now, limit) + record.pending >= limit.free and answer.verdict is Verdict.admitted:
                answer = Answer(Verdict.pending, budget)
        return answer

    def reserve(self, attempt: Attempt) -> None:
        """Count an admitted attempt as being checked."""
        for budget, key in attempt.budgets():
            self._records[budget].setdefault(key, _Failures()).pending += 1

    def give_back(self, attempt: Attempt, now: float) -> None:
        """The password was not checked, or it was right."""
        for budget, key in attempt.budgets():
            self._records[budget][key].pending -= 1
            self._drop_if_idle(budget, key, now)

    def forgive(self, attempt: Attempt, now: float) -> None:
        """The password was right, so the failures with this name at this address were typing errors."""
        self._records[Budget.name_at_address][f"{attempt.network} {attempt.login}"].count = 0.0
        self.give_back(attempt, now)

    def fail(self, attempt: Attempt, now: float) -> None:
        """The password was wrong."""
        for budget, key in attempt.budgets():
            record = self._records[budget][key]
            record.add(now, self._limits[budget])
            record.pending -= 1

    def size(self, budget: Budget) -> int:
        """The number of records of this kind."""
        return len(self._records[budget])

    def _is_full(self, budget: Budget, now: float) -> bool:
        records = self._records[budget]
        if len(records) >= self._max_records:
            for key in list(records):
                self._drop_if_idle(budget, key, now)
        return len(records) >= self._max_records

    def _drop_if_idle(self, budget: Budget, key: str, now: float) -> None:
        record = self._records[budget][key]
        if not record.pending and not record.left(now, self._limits[budget]):
            del self._records[budget][key]
