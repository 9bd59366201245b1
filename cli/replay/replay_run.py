"""Carries out one replay: feeds the master data, runs the steps, checks the stream and audits the database."""

import asyncio
import contextlib
import time

import httpx
from rich.console import Console

from patient_visit_engine.cli.audit import audit_database
from patient_visit_engine.cli.progress import ProgressDisplay
from patient_visit_engine.cli.replay.delivery import DeliveryCheck, check_delivery
from patient_visit_engine.cli.replay.driver import Driver, FeedError, Pace
from patient_visit_engine.cli.replay.lost_patients import find_lost_patients
from patient_visit_engine.cli.replay.plan import ReplayPlan
from patient_visit_engine.cli.replay.published_events import EventLogReader
from patient_visit_engine.cli.replay.report import ReplayResult
from patient_visit_engine.cli.replay.staff_driver import StaffDriver
from patient_visit_engine.cli.replay.stream_subscriber import StreamSubscriber
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.wire.event_context import CONSULTATIONS, doctor_channel

#: Seconds that the stream gets after the last step to deliver all events of the log.
STREAM_CATCH_UP_SECONDS = 15.0
READY_TIMEOUT_SECONDS = 10.0


class ReplayRun:
    """One replay against one system."""

    def __init__(
        self, settings: Settings, plan: ReplayPlan, pace: Pace, tokens: Tokens, run_number: int, console: Console
    ) -> None:
        self._settings, self._plan, self._pace, self._tokens = settings, plan, pace, tokens
        self._run_number, self._console = run_number, console

    async def execute(self, url: str, doctor_subscribers: int, *, read_database: bool) -> ReplayResult:
        """Feed the master data, run the steps, check the stream and audit the database.

        Raises `OperatorError` when the system cannot be reached or refuses the master data.
        """
        limits = httpx.Limits(
            max_connections=self._pace.max_concurrent + doctor_subscribers + 2,
            max_keepalive_connections=self._pace.max_concurrent,
        )
        async with (
            EventLogReader.opened(self._settings.effective_database_url if read_database else None) as log,
            httpx.AsyncClient(base_url=url, limits=limits, timeout=30.0, trust_env=False) as client,
        ):
            driver = Driver(client, self._tokens, self._plan, self._pace, self._run_number)
            with ProgressDisplay(self._console) as progress:
                await self._feed(driver, progress, url)
                await log.check_appointment_exists(next(iter(self._plan.appointments)))
                started_at = time.monotonic()
                deliveries = await self._run_steps(driver, client, progress, log, doctor_subscribers)
            rule_holds = (await audit_database(self._settings.effective_database_url)).passed if read_database else None
            published = await log.count_published()
            return ReplayResult(driver.tally, deliveries, published, rule_holds, time.monotonic() - started_at)

    async def _feed(self, driver: Driver, progress: ProgressDisplay, url: str) -> None:
        progress.begin("feeding", driver.record_count)
        try:
            await driver.feed(progress.advance)
        except* httpx.TransportError:
            raise OperatorError(f"--url: no system answers at {url}") from None
        except* FeedError as errors:
            raise OperatorError(str(errors.exceptions[0])) from None

    async def _run_steps(
        self,
        driver: Driver,
        client: httpx.AsyncClient,
        progress: ProgressDisplay,
        log: EventLogReader,
        doctor_subscribers: int,
    ) -> list[DeliveryCheck]:
        subscribers = self._create_subscribers(doctor_subscribers)
        tasks = [asyncio.create_task(subscriber.run(client)) for subscriber in subscribers]
        try:
            all_ready = asyncio.gather(*(subscriber.ready.wait() for subscriber in subscribers))
            await asyncio.wait_for(all_ready, READY_TIMEOUT_SECONDS)
            log.start_after(min(subscriber.start_position for subscriber in subscribers))
            progress.begin("replaying", self._plan.size)
            await driver.run_steps(lambda tally: progress.advance(note=_progress_note(tally)))
            await self._run_actions(driver, progress)
            return await self._check_deliveries(subscribers, log)
        except TimeoutError:
            raise OperatorError("the event stream did not begin") from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_actions(self, driver: Driver, progress: ProgressDisplay) -> None:
        """Carry out the actions of a generated day, and look at the end for patients who were lost."""
        if not self._plan.actions:
            return
        staff = StaffDriver(driver.sender, self._tokens, self._plan, self._pace, self._run_number, driver.tally)
        await staff.run_actions(lambda tally: progress.advance(note=_progress_note(tally)))
        driver.tally.lost_patients = await find_lost_patients(driver.sender, self._tokens, staff.patient_ids())

    def _create_subscribers(self, doctor_subscribers: int) -> list[StreamSubscriber]:
        """A supervisor, a program, and the busiest doctors."""
        staff = [
            StreamSubscriber(role, self._tokens.sign(role, None), (CONSULTATIONS,))
            for role in ("supervisor", "service")
        ]
        doctors = [
            StreamSubscriber(
                f"doctor {doctor_id}",
                self._tokens.sign("doctor", doctor_id),
                (CONSULTATIONS, doctor_channel(doctor_id)),
            )
            for doctor_id in self._plan.busiest_doctors(doctor_subscribers)
        ]
        return staff + doctors

    async def _check_deliveries(self, subscribers: list[StreamSubscriber], log: EventLogReader) -> list[DeliveryCheck]:
        if not log.has_database:
            return []
        published = await log.published()
        expected = {
            subscriber.name: [
                position
                for position, channel in published
                if position > subscriber.start_position and channel in subscriber.channels
            ]
            for subscriber in subscribers
        }
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STREAM_CATCH_UP_SECONDS):
                for subscriber in subscribers:
                    await subscriber.wait_for_position(max(expected[subscriber.name], default=0))
        # Events after this were published after the log was read, so they are not compared.
        last_position = max((position for position, _ in published), default=0)
        return [
            check_delivery(
                subscriber.name,
                [position for position in subscriber.positions if position <= last_position],
                expected[subscriber.name],
            )
            for subscriber in subscribers
        ]


def _progress_note(tally: ReplayTally) -> str:
    return f"granted {tally.granted}, refused {sum(tally.refused.values())}, completed {tally.completed}"
