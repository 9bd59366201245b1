"""The budget of a user's commands: how many at once, when they come back, and who has none."""

from datetime import timedelta

import pytest

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.command_budget import CommandBudget, TooManyCommands
from patient_visit_engine.visit.codes import Role
from tests.support.api import Clock
from tests.support.builders import NOON


def a_caller(name: str = "smith", role: Role = Role.doctor) -> Caller:
    subject = f"token:{name}"
    return Caller(subject, name, name, role, None, NOON + timedelta(hours=1), subject, by_cookie=False)


def spend(budget: CommandBudget, times: int, caller: Caller | None = None) -> int:
    """Send this many commands. Returns how many are admitted."""
    admitted = 0
    for _ in range(times):
        try:
            budget.spend(caller or a_caller())
        except TooManyCommands:
            continue
        admitted += 1
    return admitted


@pytest.mark.parametrize("per_minute", [1, 7, 300])
def test_admits_a_minutes_commands_at_once(per_minute: int) -> None:
    budget = CommandBudget(per_minute, Clock())

    assert spend(budget, 2 * per_minute + 1) == per_minute


def test_commands_come_back_evenly() -> None:
    clock = Clock()
    budget = CommandBudget(6, clock)
    spend(budget, 6)

    with pytest.raises(TooManyCommands) as refused:
        budget.spend(a_caller())
    clock.advance(seconds=9.9)
    early = spend(budget, 2)
    clock.advance(seconds=0.1)
    in_time = spend(budget, 2)
    clock.advance(minutes=3)

    assert refused.value.headers == {"Retry-After": "10"}
    assert (early, in_time, spend(budget, 20)) == (0, 1, 6)


def test_each_user_has_a_separate_budget() -> None:
    budget = CommandBudget(3, Clock())
    spend(budget, 5)

    assert spend(budget, 5, a_caller("lee")) == 3


def test_service_and_zero_have_no_limit() -> None:
    of_service, without_limit = CommandBudget(1, Clock()), CommandBudget(0, Clock())

    assert spend(of_service, 50, a_caller("feed", Role.service)) == 50
    assert spend(without_limit, 50) == 50


def test_step_of_clock_back_costs_a_minute_at_most() -> None:
    clock = Clock()
    budget = CommandBudget(6, clock)
    spend(budget, 6)
    clock.advance(hours=-1)

    before = spend(budget, 1)
    clock.advance(minutes=1)

    assert (before, spend(budget, 20)) == (0, 6)


def test_forgets_the_user_with_the_oldest_command() -> None:
    budget = CommandBudget(1, Clock(), max_users=2)
    for name in ("smith", "lee", "smith", "park"):
        spend(budget, 1, a_caller(name))

    # Only Lee was forgotten.
    assert [spend(budget, 1, a_caller(name)) for name in ("smith", "park", "lee")] == [0, 0, 1]
