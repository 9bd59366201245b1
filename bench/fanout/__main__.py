"""`python -m bench.fanout`: the event stream of each subject in turn, round after round, side by side; it must not know how one works."""

import argparse
import asyncio
import os
import platform
import resource
import signal
import sqlite3
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from time import monotonic

from bench.fanout import figures
from bench.fanout.dialogue import SilentError
from bench.fanout.footprint import room
from bench.fanout.rounds import Load, Measured, NotVerifiedError, measure
from bench.fanout.soak import soak
from bench.fanout.subjects import SUBJECTS, NotAnsweringError

PACKAGES = ("uvicorn", "uvloop", "httptools", "starlette", "sse-starlette", "fastapi")


@dataclass(frozen=True)
class Run:
    """How much is measured."""

    rounds: int
    minutes: float
    connections: tuple[int, ...]
    loads: tuple[Load, ...]
    subjects: tuple[str, ...]
    soak: float | None


async def run(asked: Run) -> figures.Found:
    """All rounds, each subject in its turn; no round begins that would not end within the time asked for."""
    end = monotonic() + 60 * asked.minutes
    found: dict[str, dict[int, list[Measured]]] = {
        name: {count: [] for count in asked.connections} for name in asked.subjects
    }
    for number in range(1, asked.rounds + 1):
        round_began = monotonic()
        for count in asked.connections:
            for name in asked.subjects:
                began = monotonic()
                measured = await measure(SUBJECTS[name], count, asked.loads)
                found[name][count].append(measured)
                print(
                    f"round {number} {name:<6} {count:>5} {monotonic() - began:4.0f} s  {_in_short(measured)}",
                    flush=True,
                )
        if number < asked.rounds and 2 * monotonic() - round_began > end:
            print(f"time is up after {number} of {asked.rounds} rounds", flush=True)
            break
    return found


def _in_short(measured: Measured) -> str:
    loads = [
        f"{name}: p50 {heard.p50:.1f} p99 {heard.p99:.1f} max {heard.max:.1f} ms, {heard.per_second:,.0f}/s, {heard.microseconds:.1f} us"
        for name, heard in measured.heard.items()
    ]
    return "; ".join([f"{measured.kib:.1f} KiB", *loads])


def conclude(asked: Run, found: figures.Found) -> str:
    """Everything that was found."""
    lines = figures.figures(asked.connections, asked.loads)
    told = figures.aims(asked.connections, asked.loads)
    parts = [
        figures.table(found, lines),
        "\n".join(figures.judged(found, lines, told)),
        "\n".join(figures.client(found)),
        figures.checked(found),
    ]
    return "\n\n".join(parts)


def machine() -> str:
    """What it is measured on."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), {platform.system()} {platform.release()}; "
        f"load before the first round {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
    )


def arguments(given: list[str]) -> Run:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description="The event stream, side by side.")
    parser.add_argument("--rounds", type=_positive, default=3, help="how often each subject is started and measured")
    parser.add_argument("--connections", type=_positive, nargs="+", default=[1000, 5000], help="readers at once")
    parser.add_argument("--events", type=_positive, default=20, help="events of the spaced load")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between those")
    parser.add_argument("--burst", type=_positive, default=200, help="events of the load that is back to back")
    parser.add_argument("--minutes", type=float, default=15, help="begin no round that would end later")
    parser.add_argument("--only", choices=SUBJECTS, nargs="+", help="measure these alone")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="instead: the engine's memory over this time")
    asked = parser.parse_args(given)
    loads = (Load("spaced", asked.events, asked.every), Load("back to back", asked.burst, 0.0))
    subjects = tuple(name for name in SUBJECTS if asked.only is None or name in asked.only)
    return Run(asked.rounds, asked.minutes, tuple(asked.connections), loads, subjects, asked.soak)


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 20_000:
        raise argparse.ArgumentTypeError("from 1 to 20000")
    return number


def runnable(subjects: tuple[str, ...]) -> tuple[str, ...]:
    """Those that this machine can run; says what it lacks for the others."""
    for name in subjects:
        if lacking := SUBJECTS[name].lacks():
            print(f"{name} is left out: this machine lacks {lacking}", flush=True)
    return tuple(name for name in subjects if not SUBJECTS[name].lacks())


def perform(asked: Run) -> int:
    """Measure and print; the exit code."""
    print(machine(), flush=True)
    if asked.soak is not None:
        return 0 if asyncio.run(soak(max(asked.connections), asked.soak)) else 1
    found = asyncio.run(run(asked))
    print("\n" + conclude(asked, found))
    return 0


def main() -> None:
    """Measure; exit 1 when an event was missing, duplicate or reordered, or the memory grew."""
    # As for Ctrl-C: the processes of the round are ended and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asked = arguments(sys.argv[1:])
    if lacking := room(max(asked.connections)):
        raise SystemExit(lacking)
    asked = replace(asked, subjects=runnable(asked.subjects))
    try:
        code = perform(asked)
    except (NotVerifiedError, NotAnsweringError, SilentError) as wrong:
        print(f"not measured: {wrong}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(code)


if __name__ == "__main__":
    main()
