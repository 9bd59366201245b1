"""Sends the last message of a stream and ends its connection."""

import asyncio
import logging

from patient_visit_engine.live.stepping import SuspendedCoroutine, step
from patient_visit_engine.live.subscriber import Message, Subscriber

logger = logging.getLogger(__name__)


class Closer:
    """Completes responses. A connection that does not take the last message within `timeout` seconds is aborted."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._closing: set[asyncio.Task[None]] = set()

    def close(self, subscriber: Subscriber, last: Message) -> None:
        """Send `last` and end the connection. Returns immediately. A task closes a slow connection."""
        try:
            suspended = step(subscriber.send(last))
        except Exception:
            logger.exception("stream did not end in order")
            suspended = None
        if suspended is None:
            subscriber.end_connection()
            return
        task = asyncio.get_running_loop().create_task(self._finish(subscriber, suspended))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _finish(self, subscriber: Subscriber, suspended: SuspendedCoroutine) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await suspended
        except TimeoutError:
            # An orderly close would wait until the client reads, and the process would wait with it.
            if subscriber.connection is not None:
                subscriber.connection.abort()
        except Exception:
            logger.exception("stream did not end in order")
        finally:
            subscriber.end_connection()

    async def wait(self) -> None:
        """Wait until every response is complete or aborted."""
        if self._closing:
            await asyncio.wait(self._closing)
