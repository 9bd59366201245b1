"""The last message of a stream and the release of its connection; it must not know why the stream ends."""

import asyncio
import logging

from patient_visit_engine.live.stepping import SuspendedCoroutine, step
from patient_visit_engine.live.subscriber import Message, Subscriber

logger = logging.getLogger(__name__)


class Closer:
    """Says the last word at once where the connection takes it, and within `limit` seconds or not at all where it does not."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._under_way: set[asyncio.Task[None]] = set()

    def say(self, reader: Subscriber, last: Message) -> None:
        """Complete the response and release the connection."""
        try:
            waiting = step(reader.send(last))
        except Exception:
            logger.exception("stream did not end in order")
            waiting = None
        if waiting is None:
            reader.release()
            return
        task = asyncio.get_running_loop().create_task(self._finish(reader, waiting))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _finish(self, reader: Subscriber, waiting: SuspendedCoroutine) -> None:
        try:
            async with asyncio.timeout(self._limit):
                await waiting
        except TimeoutError:
            # Left to be closed in order, it would wait for the other end to read, and the process with it.
            if reader.connection is not None:
                reader.connection.abort()
        except Exception:
            logger.exception("stream did not end in order")
        finally:
            reader.release()

    async def wait(self) -> None:
        """Until all have been said or given up."""
        if self._under_way:
            await asyncio.wait(self._under_way)
