"""Runs a coroutine up to its first wait without creating a task."""

from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any


class SuspendedCoroutine:
    """A coroutine that was stepped and now waits. Awaiting this object continues the coroutine in the awaiting task."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        # This is the future that the coroutine waits for. The awaiting task waits for it on the coroutine's behalf.
        awaited = self._awaited
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - the coroutine must catch it; if we closed it, it could not clean up
                resume = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, sent)
            try:
                awaited = resume()
            except StopIteration:
                return

    async def finish(self) -> None:
        """Run the rest. `create_task` needs a coroutine, and this is one."""
        await self

    def close(self) -> None:
        """Abandon the coroutine at its current wait."""
        self._coroutine.close()


def step(coroutine: Coroutine[Any, Any, None]) -> SuspendedCoroutine | None:
    """Run to the first wait. Return None if the coroutine ended without one. Its exceptions reach the caller."""
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return SuspendedCoroutine(coroutine, awaited)
