"""Running a coroutine up to its first wait without a task of its own; it must not know what the coroutine does."""

from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any


class SuspendedCoroutine:
    """A coroutine that was stepped and has to wait; awaiting this takes it from there, in whichever task awaits."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        # The very future that the coroutine waits on: the task that awaits us waits on it in the coroutine's place.
        awaited = self._awaited
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - the coroutine's to catch: closed instead, it could not tidy up
                take_on = partial(self._coroutine.throw, error)
            else:
                take_on = partial(self._coroutine.send, sent)
            try:
                awaited = take_on()
            except StopIteration:
                return

    async def finish(self) -> None:
        """The rest, as a coroutine, which is what a task wants."""
        await self

    def close(self) -> None:
        """Give the coroutine up where it stands."""
        self._coroutine.close()


def step(coroutine: Coroutine[Any, Any, None]) -> SuspendedCoroutine | None:
    """Run to the first wait; None: it ended without one. Its exceptions are the caller's."""
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return SuspendedCoroutine(coroutine, awaited)
