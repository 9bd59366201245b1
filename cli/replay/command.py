"""`visit-engine replay`: a recorded day through the running system over HTTP, and what came of it; it must not write to the database."""

import asyncio
import contextlib
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from patient_visit_engine.cli import audit
from patient_visit_engine.cli.datasets import catalogue, synthetic
from patient_visit_engine.cli.datasets.rows import NotADataSetError, RecordedSet
from patient_visit_engine.cli.progress import Bar
from patient_visit_engine.cli.replay.drive import Driver, FeedError, Pace, Tally
from patient_visit_engine.cli.replay.listen import Heard, Listener, compare
from patient_visit_engine.cli.replay.log import Log
from patient_visit_engine.cli.replay.plan import MOST_RUNS, NothingToReplayError, Plan, plan
from patient_visit_engine.cli.replay.report import Result, table
from patient_visit_engine.cli.replay.tokens import Tokens, secret_of
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings, load
from patient_visit_engine.visit.calendar import local_day
from patient_visit_engine.wire.events import CONSULTATIONS, doctor_channel

#: Seconds that the event stream is given to deliver what the log holds, once the last step is done.
STREAM_CATCHES_UP = 15.0
READY_WITHIN = 10.0
WIDTH_OF_A_FILE = 140


def replay(
    data: Annotated[
        Path | None, typer.Option(help="A data set, as `import` takes it; without one, a made-up day.")
    ] = None,
    day: Annotated[str | None, typer.Option(help="The day to replay, YYYY-MM-DD; without it, the busiest.")] = None,
    speed: Annotated[float | None, typer.Option(min=0.001, help="How many recorded seconds go by in one.")] = None,
    within: Annotated[str, typer.Option(help="Or how long it may take: seconds or ISO 8601.")] = "60",
    url: Annotated[str, typer.Option(help="Where the system answers.")] = "http://127.0.0.1:8000",
    doctors_race: Annotated[
        int, typer.Option(min=1, help="How many doctors press Start together for each patient.")
    ] = 1,
    patients: Annotated[int, typer.Option(min=0, help="Only the first so many patients of the day; 0 for all.")] = 0,
    retries: Annotated[
        int, typer.Option(min=0, help="How often a start refused for a busy patient is asked again.")
    ] = 0,
    retry_after: Annotated[float, typer.Option(min=0, help="Recorded minutes before it is asked again.")] = 10.0,
    at_once: Annotated[int, typer.Option(min=1, help="The most requests under way at once.")] = 64,
    listeners: Annotated[int, typer.Option(min=0, help="How many doctors also read the event stream.")] = 4,
    run: Annotated[int | None, typer.Option(min=0, help="The number that all ids of this run are made from.")] = None,
    no_audit: Annotated[bool, typer.Option("--no-audit", help="Leave the database alone: it is out of reach.")] = False,
) -> None:
    """Drive a recorded day through the running system, compressed in time; ends with decisions, latencies and the audit."""
    settings = load()
    number = int(time.time()) % MOST_RUNS if run is None else run
    today = local_day(datetime.now(UTC), settings.zone)
    try:
        planned = plan(_read(data), _day(day), today, settings.zone, number, most=patients, rivals=doctors_race - 1)
    except NothingToReplayError as nothing:
        raise OperatorError(str(nothing), 2) from None
    pace = Pace(speed or planned.lasts / _seconds(within), at_once, retries, retry_after * 60)
    # In a file there is no window to fit into: a line broken in two is harder to search for.
    out = Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=WIDTH_OF_A_FILE)
    _announce(out, planned, pace, number)
    tokens = Tokens(settings, secret_of(settings), {n: name for n, (name, _) in planned.doctors.items()})
    replayed = Replay(settings, planned, pace, tokens, number, out)
    result = asyncio.run(replayed.run(url, listeners, look=not no_audit))
    out.print(table(result))
    if result.failures:
        out.print(f"replay: FAILED: {'; '.join(result.failures)}", highlight=False)
        raise typer.Exit(1)
    out.print("replay: all as promised", highlight=False)


def _read(data: Path | None) -> RecordedSet:
    if data is None:
        return synthetic.read()
    try:
        # A folder's first table is that of its procedures, whose starts and ends are of one patient at once.
        return catalogue.read(data)[0]
    except NotADataSetError as wrong:
        raise OperatorError(str(wrong), 2) from None


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise OperatorError("--day: must be a date, YYYY-MM-DD", 2) from None


def _seconds(text: str) -> float:
    try:
        seconds = TypeAdapter(timedelta).validate_python(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValidationError:
        raise OperatorError("--within: must be seconds or an ISO 8601 duration, as in PT2M", 2) from None
    if seconds <= timedelta(0):
        raise OperatorError("--within: must be longer than nothing", 2)
    return seconds.total_seconds()


def _announce(out: Console, planned: Plan, pace: Pace, number: int) -> None:
    many = f"{len(planned.patients)} patients, {len(planned.doctors)} doctors, {len(planned.appointments)} appointments"
    out.print(f"replaying {planned.day}: {many}, {len(planned.steps)} starts", highlight=False)
    out.print(
        f"{pace.speed:.0f} times as fast, {planned.lasts / pace.speed:.0f} s; {planned.races} times a patient's starts"
        f" coincide; run {number}",
        highlight=False,
    )
    for note in planned.notes:
        out.print(f"note: {note}", markup=False, highlight=False)


class Replay:
    """One run against one system."""

    def __init__(self, settings: Settings, planned: Plan, pace: Pace, tokens: Tokens, run: int, out: Console) -> None:
        self._settings, self._plan, self._pace, self._tokens = settings, planned, pace, tokens
        self._run, self._out = run, out

    async def run(self, url: str, doctors: int, *, look: bool) -> Result:
        """Feed, listen, drive, compare, audit; raises `OperatorError` when the system cannot be reached or fed."""
        limits = httpx.Limits(
            max_connections=self._pace.at_once + doctors + 2, max_keepalive_connections=self._pace.at_once
        )
        async with (
            Log.of(self._settings.database if look else None) as log,
            httpx.AsyncClient(base_url=url, limits=limits, timeout=30.0, trust_env=False) as client,
        ):
            driver = Driver(client, self._tokens, self._plan, self._pace, self._run)
            began = time.monotonic()
            with Bar(self._out) as bar:
                await self._feed(driver, bar, url)
                await log.must_hold_appointment(next(iter(self._plan.appointments)))
                began = time.monotonic()
                heard = await self._drive(driver, client, bar, log, doctors)
            holds = (await audit.of_database(self._settings.database)).holds if look else None
            published = await log.count()
            return Result(driver.tally, heard, published, holds, time.monotonic() - began)

    async def _feed(self, driver: Driver, bar: Bar, url: str) -> None:
        bar.begin("feeding", driver.records)
        try:
            await driver.feed(bar.advance)
        except* httpx.TransportError:
            raise OperatorError(f"--url: nobody answers at {url}") from None
        except* FeedError as refused:
            raise OperatorError(str(refused.exceptions[0])) from None

    async def _drive(self, driver: Driver, client: httpx.AsyncClient, bar: Bar, log: Log, doctors: int) -> list[Heard]:
        listening = self._listeners(doctors)
        tasks = [asyncio.create_task(listener.listen(client)) for listener in listening]
        try:
            await asyncio.wait_for(asyncio.gather(*(one.ready.wait() for one in listening)), READY_WITHIN)
            await log.begin(min(one.since for one in listening))
            bar.begin("replaying", len(self._plan.steps))
            await driver.drive(lambda tally: bar.advance(note=_so_far(tally)))
            return await self._compare(listening, log)
        except TimeoutError:
            raise OperatorError("the event stream did not begin") from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _listeners(self, doctors: int) -> list[Listener]:
        busiest = Counter(step.doctor_id for step in self._plan.steps).most_common(doctors)
        staff = [Listener(role, self._tokens.sign(role, None), (CONSULTATIONS,)) for role in ("supervisor", "service")]
        return staff + [
            Listener(f"doctor {n}", self._tokens.sign("doctor", n), (CONSULTATIONS, doctor_channel(n)))
            for n, _ in busiest
        ]

    async def _compare(self, listening: list[Listener], log: Log) -> list[Heard]:
        if not log.is_read:
            return []
        published = await log.published()
        wanted = {
            one.name: [seq for seq, channel in published if seq > one.since and channel in one.channels]
            for one in listening
        }
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STREAM_CATCHES_UP):
                for one in listening:
                    await one.reach(max(wanted[one.name], default=0))
        head = max((seq for seq, _ in published), default=0)
        return [
            # What came after the log was read is nobody's fault.
            compare(one.name, [seq for seq in one.positions if seq <= head], wanted[one.name])
            for one in listening
        ]


def _so_far(tally: Tally) -> str:
    return f"granted {tally.granted}, refused {sum(tally.refused.values())}, completed {tally.completed}"
