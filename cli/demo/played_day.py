"""`visit-engine demo --play`: plays the scripted day of the demonstration on the running system over HTTP."""

import time
from datetime import UTC, datetime

import httpx
from rich.console import Console

from patient_visit_engine.cli.demo.scripted_day import scripted_plan
from patient_visit_engine.cli.progress import ProgressDisplay
from patient_visit_engine.cli.replay.driver import Pace
from patient_visit_engine.cli.replay.plan import MAX_RUNS
from patient_visit_engine.cli.replay.report import call_rows
from patient_visit_engine.cli.replay.request_sender import RequestSender
from patient_visit_engine.cli.replay.staff_driver import StaffDriver
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.cli.tokens import find_secret
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings

MAX_CONCURRENT = 8


async def play_demonstration(settings: Settings, url: str, seconds: float) -> ReplayTally:
    """Play today's script within so many seconds. Raises `OperatorError` when no system answers at the address."""
    plan = scripted_plan(settings.calendar.day_of(datetime.now(UTC)), settings.calendar)
    names = {doctor: name for doctor, (name, _) in plan.doctors.items()}
    tokens = Tokens(settings, find_secret(settings, "demo --play needs"), names)
    tally, pace = ReplayTally(), Pace(plan.duration / seconds, MAX_CONCURRENT, 0, 0.0)
    console = Console(soft_wrap=True)
    async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as client:
        try:
            await client.get("/livez")
        except httpx.TransportError:
            raise OperatorError(f"--url: no system answers at {url}: start it with `visit-engine up`") from None
        sender = RequestSender(client, tally, MAX_CONCURRENT)
        driver = StaffDriver(sender, tokens, plan, pace, int(time.time()) % MAX_RUNS, tally)
        with ProgressDisplay(console) as progress:
            progress.begin("playing", plan.size)
            await driver.run_actions(lambda _tally: progress.advance())
    for name, count in call_rows(tally):
        console.print(f"{name}: {count}", markup=False, highlight=False)
    return tally
