"""Callers that ask at the same time share one call."""

import asyncio

from patient_visit_engine.api.shared_calls import SharedCall


async def test_callers_share_the_running_call() -> None:
    gate, calls = asyncio.Event(), 0

    async def count() -> int:
        nonlocal calls
        calls += 1
        await gate.wait()
        return calls

    shared = SharedCall(count)
    callers = [asyncio.create_task(shared()) for _ in range(5)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0)
    gate.set()

    assert await asyncio.gather(*callers[1:]) == [1, 1, 1, 1]
    assert await shared() == 2
