"""`visit-engine replay`: replays a recorded day through the running system over HTTP and prints the result.

It reads the database for the audit and the event log, and never writes to it.
"""

import asyncio
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from patient_visit_engine.cli.datasets.csv_table import NotADataSetError
from patient_visit_engine.cli.datasets.formats import read_data_sets
from patient_visit_engine.cli.datasets.recorded import RecordedSet
from patient_visit_engine.cli.replay.driver import Pace
from patient_visit_engine.cli.replay.generated_day import MIN_PATIENTS, DayOptions
from patient_visit_engine.cli.replay.generated_plan import build_generated_plan
from patient_visit_engine.cli.replay.plan import MAX_RUNS, NothingToReplayError, ReplayPlan, build_plan
from patient_visit_engine.cli.replay.replay_run import ReplayRun
from patient_visit_engine.cli.replay.report import result_table
from patient_visit_engine.cli.replay.synthetic_day import synthetic_day
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.cli.tokens import find_secret
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load_settings

FILE_WIDTH = 140


def replay(
    data: Annotated[
        Path | None, typer.Option(help="A data set, as for `import`. Without it, a made-up day is replayed.")
    ] = None,
    day: Annotated[str | None, typer.Option(help="The day to replay, YYYY-MM-DD. Without it, the busiest day.")] = None,
    speed: Annotated[float | None, typer.Option(min=0.001, help="Recorded seconds per real second.")] = None,
    within: Annotated[
        str, typer.Option(help="Instead of --speed: how long the replay may take, in seconds or as ISO 8601.")
    ] = "60",
    url: Annotated[str, typer.Option(help="The address of the running system.")] = "http://127.0.0.1:8000",
    doctors_race: Annotated[
        int, typer.Option(min=1, help="How many doctors press Start at the same time for each patient.")
    ] = 1,
    patients: Annotated[
        int, typer.Option(min=0, help="Replay only this many patients, in the order of the day; 0 for all.")
    ] = 0,
    generated: Annotated[
        bool,
        typer.Option("--generated", help="Replay a generated day of a clinic. --patients is 150 then, or 30 to 900."),
    ] = False,
    doctors: Annotated[int, typer.Option(min=4, max=100, help="How many doctors a generated day has.")] = 12,
    desks: Annotated[int, typer.Option(min=1, max=20, help="How many desks of reception a generated day has.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The seed of a generated day. Each seed is another day.")] = 1,
    retries: Annotated[
        int, typer.Option(min=0, help="How often a start is requested again while the patient is busy.")
    ] = 0,
    retry_after: Annotated[
        float, typer.Option(min=0, help="Recorded minutes before a start is requested again.")
    ] = 10.0,
    at_once: Annotated[int, typer.Option(min=1, help="The largest number of requests at the same time.")] = 64,
    subscribers: Annotated[
        int, typer.Option("--listeners", min=0, help="How many doctors also subscribe to the event stream.")
    ] = 4,
    run: Annotated[int | None, typer.Option(min=0, help="The number from which all ids of this run are made.")] = None,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Do not read the database, because it cannot be reached from here.")
    ] = False,
) -> None:
    """Replay a recorded day through the running system, compressed in time. Prints decisions, latencies and the audit."""
    settings = load_settings()
    run_number = int(time.time()) % MAX_RUNS if run is None else run
    today = settings.calendar.day_of(datetime.now(UTC))
    if generated:
        if data is not None or day is not None or doctors_race > 1 or retries:
            raise OperatorError("--generated: cannot be combined with --data, --day, --doctors-race or --retries", 2)
        options = DayOptions(doctors, desks, patients or DayOptions.patients, seed)
        if not MIN_PATIENTS <= options.patients <= options.max_patients:
            limits = f"{MIN_PATIENTS} to {options.max_patients}"
            raise OperatorError(f"--patients: with {doctors} doctors, a generated day has {limits}", 2)
        plan = build_generated_plan(options, today, settings.calendar, run_number)
    else:
        recorded_day = _parse_day(day)
        try:
            plan = build_plan(
                _read_data_set(data),
                recorded_day,
                today,
                settings.calendar,
                run_number,
                max_patients=patients,
                rivals=doctors_race - 1,
            )
        except NothingToReplayError as error:
            raise OperatorError(str(error), 2) from None
    pace = Pace(speed or plan.duration / _parse_seconds(within), at_once, retries, retry_after * 60)
    # If the output goes to a file, lines are not broken at the width of a terminal, so that a search finds them.
    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=FILE_WIDTH)
    _print_plan(console, plan, pace, run_number)
    doctor_names = {doctor_id: name for doctor_id, (name, _) in plan.doctors.items()}
    tokens = Tokens(settings, find_secret(settings, "replay needs"), doctor_names)
    replay_run = ReplayRun(settings, plan, pace, tokens, run_number, console)
    result = asyncio.run(replay_run.execute(url, subscribers, read_database=not no_audit))
    console.print(result_table(result))
    if result.failures:
        console.print(f"replay: FAILED: {'; '.join(result.failures)}", highlight=False)
        raise typer.Exit(1)
    console.print("replay: no faults", highlight=False)


def _read_data_set(path: Path | None) -> RecordedSet:
    if path is None:
        return synthetic_day()
    try:
        # Of a MIMIC folder only the procedures: their starts and ends can overlap within one patient.
        return read_data_sets(path)[0]
    except NotADataSetError as error:
        raise OperatorError(str(error), 2) from None


def _parse_day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise OperatorError("--day: must be a date, YYYY-MM-DD", 2) from None


def _parse_seconds(text: str) -> float:
    try:
        duration = TypeAdapter(timedelta).validate_python(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValidationError:
        raise OperatorError("--within: must be seconds or an ISO 8601 duration, for example PT2M", 2) from None
    if duration <= timedelta(0):
        raise OperatorError("--within: must be longer than 0", 2)
    return duration.total_seconds()


def _print_plan(console: Console, plan: ReplayPlan, pace: Pace, run_number: int) -> None:
    counts = f"{len(plan.patients)} patients, {len(plan.doctors)} doctors, {len(plan.appointments)} appointments"
    steps = f"{len(plan.actions)} calls of staff" if plan.actions else f"{len(plan.steps)} starts"
    races = "" if plan.actions else f" {plan.races} times a patient has several starts at the same time;"
    console.print(f"replaying {plan.day}: {counts}, {steps}", highlight=False)
    console.print(
        f"{pace.speed:.0f} times as fast, {plan.duration / pace.speed:.0f} s;{races} run {run_number}", highlight=False
    )
    for note in plan.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
