"""The worker process: it builds every part from the settings and runs until it is told to stop; it must not know HTTP."""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from patient_visit_engine.runtime import logs, temporal
from patient_visit_engine.runtime.settings import Settings, load
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.worker.builder import build
from patient_visit_engine.worker.sweep import Sweep
from patient_visit_engine.workflows.opening import Visits

log = structlog.get_logger()
TEMPORAL_PATIENCE = 60.0


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


def run(settings: Settings) -> None:
    """Run the worker until SIGTERM or SIGINT; messages under way get their grace period."""
    logs.configure("worker")
    migrations.check(settings.database)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, stop.set)
    client = await _connect(settings, stop)
    if client is None:
        return
    database = Database(settings.database)
    visits = Visits(client, settings.task_queue, settings.zone, settings.limits)
    sweep = Sweep(
        database,
        visits,
        every=settings.sweep_every,
        offers_expire=bool(settings.offer_seconds),
        retention=settings.event_retention,
        clock=now,
    )
    try:
        async with build(client, settings.task_queue, Ledger(database)):
            log.info("worker ready", task_queue=settings.task_queue)
            rounds = asyncio.create_task(sweep.run())
            await stop.wait()
            rounds.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await rounds
    finally:
        await database.close()


async def _connect(settings: Settings, stop: asyncio.Event) -> Client | None:
    """A client once the server answers; None when told to stop before.

    Raises `UnreachableError` after a minute, for its keeper to try again.
    """
    told = ""
    end = asyncio.get_running_loop().time() + TEMPORAL_PATIENCE
    while not stop.is_set():
        try:
            async with asyncio.timeout_at(end):
                return await temporal.connect(settings)
        except TimeoutError:
            answered = f"no Temporal frontend answered at {settings.temporal} within {TEMPORAL_PATIENCE:g} s"
            raise temporal.UnreachableError(f"{answered}{told and f' ({told})'}") from None
        except (RPCError, RuntimeError) as error:
            if told != str(error):
                told = str(error)
                log.warning("Temporal cannot be reached", address=settings.temporal, error=told)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
    return None


if __name__ == "__main__":
    run(load())
