"""The budgets of failed sign-ins: what is free, how the wait grows and ends, and that no attacker can reset it."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from patient_visit_engine.api.access.sign_in_budget import (
    LIMITS,
    Attempt,
    Budget,
    Limit,
    SignInBudget,
    Verdict,
)

DESK = Attempt("desk", "10.0.0.1", is_known=False)


def fail(budget: SignInBudget, attempt: Attempt, now: float) -> bool:
    """One attempt with a wrong password. Returns whether it was admitted."""
    if budget.check(attempt, now).verdict is not Verdict.admitted:
        return False
    budget.reserve(attempt)
    budget.fail(attempt, now)
    return True


def test_wait_grows_and_ends_at_a_minute() -> None:
    budget, now, waits = SignInBudget(), 0.0, []
    for _ in range(16):
        while (answer := budget.check(DESK, now)).verdict is Verdict.refused:
            waits.append(answer.wait)
            now += answer.wait
        assert fail(budget, DESK, now)

    # From here on a failure is forgotten about as often as one is added.
    assert waits[:5] == pytest.approx([2, 4, 8, 16, 32])
    assert set(waits[5:]) == {32, 60}


def test_guesser_gets_one_attempt_a_minute() -> None:
    budget = SignInBudget()
    admitted = sum(fail(budget, DESK, float(second)) for second in range(24 * 3600))

    assert 24 * 60 <= admitted <= 24 * 60 + 20


def test_failures_are_forgotten_with_time() -> None:
    budget = SignInBudget()
    assert sum(fail(budget, DESK, 0.0) for _ in range(9)) == 5

    assert sum(fail(budget, DESK, 5 * 60.0) for _ in range(9)) == 5


def test_attempts_are_reserved_before_their_outcome() -> None:
    budget = SignInBudget()
    verdicts = []
    for _ in range(7):
        verdicts.append(budget.check(DESK, 0.0).verdict)
        if verdicts[-1] is Verdict.admitted:
            budget.reserve(DESK)

    assert verdicts == [Verdict.admitted] * 5 + [Verdict.pending] * 2


def test_step_of_clock_back_adds_no_wait() -> None:
    budget = SignInBudget()
    for _ in range(5):
        fail(budget, DESK, 1_000_000.0)

    assert budget.check(DESK, 0.0).wait == 2
    assert budget.check(DESK, 2.0).verdict is Verdict.admitted


def test_right_password_forgives_name_but_not_address() -> None:
    budget = SignInBudget()
    for number in range(19):
        fail(budget, Attempt(f"name-{number}", DESK.network, is_known=False), 0.0)
    budget.reserve(DESK)
    budget.forgive(DESK, 0.0)

    assert fail(budget, Attempt("name-20", DESK.network, is_known=False), 0.0)
    refused = budget.check(Attempt("name-21", DESK.network, is_known=False), 0.0)
    assert (refused.verdict, refused.budget) == (Verdict.refused, Budget.address)


def test_strangers_do_not_use_budget_of_known_places() -> None:
    budget, known = SignInBudget(), Attempt("desk", "10.0.0.1", is_known=True)
    for number in range(100):
        fail(budget, Attempt("desk", f"203.0.113.{number}", is_known=False), 0.0)
        fail(budget, Attempt(f"name-{number}", "10.0.0.1", is_known=False), 0.0)

    assert budget.check(DESK, 0.0).verdict is Verdict.refused
    assert budget.check(known, 0.0).verdict is Verdict.admitted


def test_full_table_refuses_newcomers_and_resets_no_one() -> None:
    budget = SignInBudget(max_records=3)
    for number in range(3):
        for _ in range(5):
            fail(budget, Attempt("desk", f"203.0.113.{number}", is_known=False), 0.0)

    newcomer = budget.check(Attempt("desk", "203.0.113.99", is_known=False), 0.0)

    assert newcomer.verdict is Verdict.full
    assert budget.check(Attempt("desk", "203.0.113.0", is_known=False), 0.0).verdict is Verdict.refused
    assert budget.check(Attempt("desk", "203.0.113.99", is_known=False), 3600.0).verdict is Verdict.admitted
    assert budget.size(Budget.address) == 0


def test_hashes_cannot_fill_a_table() -> None:
    # More than two threads hash in a second. Each failure is a record until it is forgotten.
    hashes_in_a_second = 100
    longest = max(limit.forget_after for limit in LIMITS.values())
    budget = SignInBudget()
    for count in range(int(hashes_in_a_second * longest * 2)):
        assert fail(budget, Attempt(f"name-{count}", f"network-{count}", is_known=False), count / hashes_in_a_second)


SMALL = {
    Budget.name_at_address: Limit(free=2, first_wait=1, longest_wait=8, forget_after=8),
    Budget.name: Limit(free=3, first_wait=1, longest_wait=8, forget_after=8),
    Budget.address: Limit(free=3, first_wait=1, longest_wait=8, forget_after=8),
    Budget.known_at_address: Limit(free=4, first_wait=1, longest_wait=8, forget_after=8),
}
ATTEMPTS = st.builds(Attempt, st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"]), st.booleans())


@dataclass
class Failure:
    at: float
    keys: set[Any]


class BudgetMachine(RuleBasedStateMachine):
    """Attempts begin and end in any order while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.budget, self.now = SignInBudget(SMALL, max_records=100), 0.0
        self.pending: list[Attempt] = []
        self.failures: list[Failure] = []

    @rule(attempt=ATTEMPTS)
    def begin(self, attempt: Attempt) -> None:
        answer = self.budget.check(attempt, self.now)
        if answer.verdict is Verdict.admitted:
            self.budget.reserve(attempt)
            self.pending.append(attempt)
        else:
            assert answer.verdict is not Verdict.full
            assert (answer.wait > 0) == (answer.verdict is Verdict.refused)
            assert self.pending or answer.verdict is Verdict.refused

    @precondition(lambda self: self.pending)
    @rule(outcome=st.sampled_from(["fail", "forgive", "give_back"]), data=st.data())
    def end(self, outcome: str, data: st.DataObject) -> None:
        attempt = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        getattr(self.budget, outcome)(attempt, self.now)
        if outcome == "fail":
            self.failures.append(Failure(self.now, set(attempt.budgets())))

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.pending)
    @rule(attempt=ATTEMPTS)
    def longest_wait_ends_each_refusal(self, attempt: Attempt) -> None:
        assert self.budget.check(attempt, self.now + 8).verdict is Verdict.admitted

    @invariant()
    def failures_of_a_moment_are_limited(self) -> None:
        # Success forgives only a name at an address, so the other budgets limit the failures in any case.
        for budget in (Budget.name, Budget.address, Budget.known_at_address):
            keys = {key for failure in self.failures for key in failure.keys if key[0] is budget}
            for key in keys:
                recent = [each for each in self.failures if key in each.keys and each.at == self.now]
                assert len(recent) <= SMALL[budget].free + 1


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
