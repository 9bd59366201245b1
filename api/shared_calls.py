"""Lets many callers share one running call, so that a flood of questions costs one answer at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """Calls `function` for those who ask while no call runs. The others wait for the running one."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self._running: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The result of the running call, or of a new one. Raises what the function raises."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._call())
        # A caller that gives up must not end the call of the others.
        return await asyncio.shield(self._running)

    async def _call(self) -> T:
        return await self._function()
