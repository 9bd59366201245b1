"""Signs of life: the event loop of a process under `up` writes a byte each second to a pipe that the supervisor reads.

A request over HTTP would not do: while strangers flood the API, it may get no answer in time although the process works.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from patient_visit_engine.runtime.background import in_background

#: The variable with the number of the pipe's file descriptor. Without it, as outside `up`, no signs are sent.
PIPE_VARIABLE = "SIGN_OF_LIFE_PIPE"
INTERVAL_SECONDS = 1.0


@asynccontextmanager
async def signs_of_life() -> AsyncIterator[None]:
    """Send signs of life while the context lasts."""
    pipe = _find_pipe()
    if pipe is None:
        yield
        return
    os.set_blocking(pipe, False)
    async with in_background(_send(pipe)):
        yield


def _find_pipe() -> int | None:
    text = os.environ.get(PIPE_VARIABLE, "")
    # Another process may have inherited the variable without the pipe. Its number can then be any file, such as the database.
    with suppress(OSError):
        if text.isdigit() and stat.S_ISFIFO(os.fstat(int(text)).st_mode):
            return int(text)
    return None


async def _send(pipe: int) -> None:
    while True:
        # The pipe is full when the supervisor is suspended.
        with suppress(BlockingIOError):
            try:
                os.write(pipe, b".")
            except BrokenPipeError:
                # The supervisor has ended.
                return
        await asyncio.sleep(INTERVAL_SECONDS)
