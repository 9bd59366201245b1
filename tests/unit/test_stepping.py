"""`step` runs a coroutine to its first wait. A task that finishes it behaves as if it had run the coroutine from the start."""

import asyncio

from patient_visit_engine.live.stepping import step


async def test_coroutine_without_wait_ends_at_once() -> None:
    done: list[int] = []

    async def short() -> None:
        done.append(1)

    assert step(short()) is None
    assert done == [1]


async def test_waiting_coroutine_continues_in_the_task() -> None:
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


async def test_coroutine_cleans_up_after_cancellation() -> None:
    cleaned_up: list[str] = []

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # A database driver waits here too, while it closes its connection. A closed coroutine could not.
            await asyncio.sleep(0)
            cleaned_up.append("yes")
            raise

    waiting = step(careful())
    assert waiting is not None
    task = asyncio.create_task(waiting.finish())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert cleaned_up == ["yes"]
