"""The queue of sign-ins: how many are checked at a time, in which order, and who is refused at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from patient_visit_engine.api.access.sign_in_budget import Attempt, SignInBudget
from patient_visit_engine.api.access.sign_in_problems import BadCredentials, SignInBusy, TooManyAttempts
from patient_visit_engine.api.access.sign_in_queue import (
    HASHING_THREADS,
    MAX_WAITING,
    MAX_WAITING_PER_ADDRESS,
    MAX_WAITING_PER_NAME,
    SignInQueue,
)


class Checks:
    """Sends attempts through the queue. Each check ends when the test says so."""

    def __init__(self) -> None:
        self.queue = SignInQueue(SignInBudget(), lambda: 0.0)
        self.checked: list[str] = []
        self.running = self.most_running = 0
        self.gate = asyncio.Semaphore(0)
        self.tasks: list[asyncio.Task[str]] = []

    def start(
        self, login: str, network: str = "attacker", *, known: bool = False, right: bool = False
    ) -> asyncio.Task[str]:
        task = asyncio.create_task(self._sign_in(Attempt(login, network, known), right))
        self.tasks.append(task)
        return task

    async def _sign_in(self, attempt: Attempt, right: bool) -> str:
        try:
            async with self.queue.turn(attempt):
                self.checked.append(attempt.login)
                self.running += 1
                self.most_running = max(self.running, self.most_running)
                try:
                    await self.gate.acquire()
                finally:
                    self.running -= 1
                if not right:
                    raise BadCredentials("wrong password")
        except (BadCredentials, TooManyAttempts, SignInBusy) as problem:
            return problem.code
        return "signed_in"

    async def settle(self) -> None:
        """Let every task run until it waits."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def finish(self, checks: int = 1_000) -> Sequence[str]:
        for _ in range(checks):
            self.gate.release()
        return await asyncio.gather(*self.tasks)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def checks() -> AsyncIterator[Checks]:
    checks = Checks()
    yield checks
    await checks.stop()


async def flood(checks: Checks, network: str = "attacker") -> None:
    """150 made-up names from one address."""
    for number in range(150):
        checks.start(f"name-{number}", network)
    await checks.settle()


async def test_checks_two_at_a_time(checks: Checks) -> None:
    await flood(checks)

    answers = await checks.finish()

    assert checks.most_running == HASHING_THREADS
    assert sorted(set(answers)) == ["bad_credentials", "sign_in_busy", "too_many_attempts"]


async def test_refuses_the_rest_of_a_flood_at_once(checks: Checks) -> None:
    await flood(checks)

    refused = [task.result() for task in checks.tasks if task.done()]

    assert refused == ["sign_in_busy"] * (150 - HASHING_THREADS - MAX_WAITING_PER_ADDRESS)


async def test_address_in_flood_waits_for_two_checks(checks: Checks) -> None:
    await flood(checks)

    owner = checks.start("owner", "ward", right=True)
    await checks.settle()

    await checks.finish()
    assert owner.result() == "signed_in"
    assert checks.checked.index("owner") == HASHING_THREADS


async def test_known_account_passes_full_queue_of_strangers(checks: Checks) -> None:
    for network in range(HASHING_THREADS + MAX_WAITING):
        checks.start("name", f"attacker-{network}")
    await checks.settle()
    waiting = sum(not task.done() for task in checks.tasks)

    known = checks.start("owner", "attacker-0", known=True, right=True)
    stranger = checks.start("stranger", "elsewhere", right=True)
    await checks.settle()

    assert waiting == HASHING_THREADS + MAX_WAITING
    await checks.finish()
    assert known.result() == "signed_in"
    assert checks.checked.index("owner") == HASHING_THREADS
    assert stranger.result() == "sign_in_busy"


async def test_newcomer_passes_a_few_addresses_that_fill_the_queue(checks: Checks) -> None:
    for address in range(4):
        for count in range(40):
            checks.start(f"name-{address}-{count}", f"attacker-{address}")
    await checks.settle()
    newcomer = checks.start("amrani", "home", right=True)
    await checks.settle()
    # Two checks run already. The three addresses that have had no turn were there before the newcomer.
    for _ in range(HASHING_THREADS + 4):
        checks.gate.release()
        await checks.settle()

    assert newcomer.done()
    assert newcomer.result() == "signed_in"
    refused = [task for task in checks.tasks if task.done() and task.result() == "sign_in_busy"]
    assert len(refused) == 160 - HASHING_THREADS - MAX_WAITING + 1


async def test_addresses_take_turns(checks: Checks) -> None:
    await flood(checks)
    for number in range(3):
        checks.start(f"ward-{number}", "ward", right=True)
    await checks.settle()

    await checks.finish()

    # The flood has had two turns already.
    assert checks.checked[2:7] == ["ward-0", "ward-1", "name-2", "ward-2", "name-3"]


async def test_program_with_account_does_not_delay_colleagues(checks: Checks) -> None:
    programs = [checks.start("program", "desk", known=True, right=True) for _ in range(60)]
    await checks.settle()
    colleague = checks.start("colleague", "desk", known=True, right=True)
    await checks.settle()

    await checks.finish()

    assert colleague.result() == "signed_in"
    assert checks.checked.index("colleague") == HASHING_THREADS
    assert [task.result() for task in programs].count("signed_in") == HASHING_THREADS + MAX_WAITING_PER_NAME


async def test_right_passwords_wait_for_those_before_them(checks: Checks) -> None:
    for _ in range(12):
        checks.start("desk", "desk", right=True)
    await checks.settle()

    assert await checks.finish() == ["signed_in"] * 12


async def test_wrong_passwords_use_up_the_budget_of_those_who_wait(checks: Checks) -> None:
    for _ in range(12):
        checks.start("desk", "desk")
    await checks.settle()

    assert sorted(await checks.finish()) == ["bad_credentials"] * 5 + ["too_many_attempts"] * 7


@pytest.mark.parametrize("waits", [True, False])
async def test_cancelled_attempt_leaves_the_queue(checks: Checks, waits: bool) -> None:
    tasks = [checks.start("desk", "desk", right=True) for _ in range(3)]
    await checks.settle()

    tasks[2 if waits else 0].cancel()
    await checks.settle()
    checks.start("desk", "desk", right=True)
    for _ in range(10):
        checks.gate.release()
    answers = await asyncio.gather(*checks.tasks, return_exceptions=True)

    assert answers.count("signed_in") == 3
    assert checks.most_running == HASHING_THREADS


async def test_fault_costs_no_budget(checks: Checks) -> None:
    attempt = Attempt("desk", "desk", is_known=False)
    for _ in range(20):
        with pytest.raises(OSError):
            async with checks.queue.turn(attempt):
                raise OSError

    checks.start("desk", "desk", right=True)

    assert await checks.finish() == ["signed_in"]
