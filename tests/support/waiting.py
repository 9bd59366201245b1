"""Waits until a condition is true, and fails with words that name what did not happen."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

#: How long a condition may take, in seconds, if a test names no other limit.
DEFAULT_SECONDS = 60.0
#: Seconds between the first two calls of a condition. Each later pause is longer, up to the longest: a condition that is called
#: all the time takes the processor from what it waits for.
FIRST_PAUSE, PAUSE_GROWTH, LONGEST_PAUSE = 0.005, 1.3, 0.1


def wait_until(condition: Callable[[], T | None], what: str, seconds: float = DEFAULT_SECONDS) -> T:
    """Call `condition` until it returns something true, and return that.

    Raises AssertionError with `what` after so many seconds.
    """
    end = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while not (result := condition()):
        assert time.monotonic() < end, _failure(what, seconds)
        time.sleep(pause)
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)
    return result


@overload
async def wait_until_async(
    condition: Callable[[], Awaitable[T | None]], what: str, seconds: float = DEFAULT_SECONDS
) -> T: ...


@overload
async def wait_until_async(condition: Callable[[], T | None], what: str, seconds: float = DEFAULT_SECONDS) -> T: ...


async def wait_until_async(condition: Callable[[], Any], what: str, seconds: float = DEFAULT_SECONDS) -> Any:
    """Like `wait_until`, but other tasks run while it waits. `condition` may be a coroutine function or a plain one.

    A condition that does not return in time is cancelled.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            pause = FIRST_PAUSE
            while True:
                result = condition()
                if inspect.isawaitable(result):
                    result = await result
                if result:
                    return result
                await asyncio.sleep(pause)
                pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)
    except TimeoutError:
        # The condition may have a time limit that is shorter; its error is not ours.
        if not limit.expired():
            raise
        raise AssertionError(_failure(what, seconds)) from None


def _failure(what: str, seconds: float) -> str:
    return f"not in {seconds:g} s: {what}"
