"""A coroutine that is stepped to its first wait and handed to a task behaves as if it had been that task's from the start."""

import asyncio

from patient_visit_engine.live.stepping import step


async def test_what_does_not_wait_is_done_at_once() -> None:
    done: list[int] = []

    async def short() -> None:
        done.append(1)

    assert step(short()) is None
    assert done == [1]


async def test_what_waits_goes_on_where_it_is_awaited() -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    passed: list[int] = []

    async def through() -> None:
        for number, gate in enumerate(gates):
            await gate.wait()
            passed.append(number)

    waiting = step(through())
    assert waiting is not None
    task = asyncio.create_task(waiting.finish())
    for gate in gates:
        gate.set()
    await task

    assert passed == [0, 1]


async def test_a_cancellation_at_the_first_wait_is_the_coroutines_own_to_tidy_up_after() -> None:
    tidied: list[str] = []

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # As a database's driver does with its connection: closed, it could not wait here.
            await asyncio.sleep(0)
            tidied.append("yes")
            raise

    waiting = step(careful())
    assert waiting is not None
    task = asyncio.create_task(waiting.finish())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert tidied == ["yes"]
