"""The worker process. It builds everything from the settings and runs until SIGTERM or SIGINT."""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from patient_visit_engine.runtime import logs, namespace, sdk_logs, temporal
from patient_visit_engine.runtime.open_files import raise_open_file_limit
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.runtime.signs_of_life import signs_of_life
from patient_visit_engine.runtime.worker_heartbeats import worker_heartbeats
from patient_visit_engine.storage import schema_version
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.worker.builder import build
from patient_visit_engine.worker.decision_log import log_decision
from patient_visit_engine.worker.opening_ahead import VisitOpener
from patient_visit_engine.worker.opening_choice import OpeningChoice
from patient_visit_engine.worker.sweep import Sweep
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue

logger = structlog.get_logger()

CONNECT_TIMEOUT_SECONDS = 60.0
CONNECT_RETRY_PAUSE_SECONDS = 0.5


def now() -> datetime:
    return datetime.now(UTC)


def run(settings: Settings) -> None:
    """Run the worker until SIGTERM or SIGINT. Messages in progress have `worker.builder.SHUTDOWN_TIMEOUT` to finish."""
    logs.configure("worker")
    raise_open_file_limit()
    sdk_logs.redirect()
    schema_version.check(settings.effective_database_url)
    asyncio.run(_run_with_signs_of_life(settings))


async def _run_with_signs_of_life(settings: Settings) -> None:
    async with signs_of_life():
        await _run(settings)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await _connect(settings, stop)
    if client is None:
        return
    await namespace.check_exists(client)
    database = Database(settings.effective_database_url)
    visit_client = VisitClient(client, settings.task_queue, settings.calendar, settings.limits, now)
    sweep = Sweep(
        database,
        visit_client,
        VisitRescue(client, visit_client, settings.task_queue),
        calendar=settings.calendar,
        every=settings.sweep_every,
        offers_expire=bool(settings.offer_seconds),
        retention=settings.event_retention,
        now=now,
    )
    opener = VisitOpener(database, visit_client, OpeningChoice(settings.calendar, settings.open_ahead), now=now)
    try:
        async with build(client, settings.task_queue, SqlLedger(database, log_decision)):
            logger.info("worker ready", task_queue=settings.task_queue)
            upkeep = asyncio.gather(sweep.run(), opener.run())
            async with worker_heartbeats(client, settings.task_queue, now):
                await stop.wait()
            upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await upkeep
    finally:
        await database.close()


async def _connect(settings: Settings, stop: asyncio.Event) -> Client | None:
    """Wait until the server answers, and return a client. None when `stop` was set first.

    Raises `UnreachableError` after `CONNECT_TIMEOUT_SECONDS`, so that the supervisor starts the worker again.
    """
    logged_error = ""
    deadline = asyncio.get_running_loop().time() + CONNECT_TIMEOUT_SECONDS
    while not stop.is_set():
        try:
            async with asyncio.timeout_at(deadline):
                return await temporal.connect(settings)
        except TimeoutError:
            message = f"no Temporal frontend answered at {settings.effective_temporal_address} within {CONNECT_TIMEOUT_SECONDS:g} s"
            last_error = f" ({logged_error})" if logged_error else ""
            raise temporal.UnreachableError(message + last_error) from None
        except (RPCError, RuntimeError) as error:
            if logged_error != str(error):
                logged_error = str(error)
                logger.warning(
                    "Temporal cannot be reached", address=settings.effective_temporal_address, error=logged_error
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CONNECT_RETRY_PAUSE_SECONDS)
    return None


if __name__ == "__main__":
    run(load_settings())
