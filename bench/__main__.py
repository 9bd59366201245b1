"""`python -m bench`: floor and engine in turn, round after round, then the ratios; it must not know how either works."""

import argparse
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import uvloop

from bench import report
from bench.plan import CLIENTS, Plan
from bench.processes import Processes
from bench.subjects import Engine, Floor, Subject, audit
from bench.workload import Desk, Measured, WrongAnswerError, measure, ready

SUBJECTS: dict[str, type[Subject]] = {"floor": Floor, "engine": Engine}


@dataclass(frozen=True)
class Run:
    """How much is measured."""

    rounds: int
    minutes: float
    plan: Plan
    subjects: tuple[str, ...]


async def one_round(kind: type[Subject], plan: Plan) -> Measured:
    """Start `kind` on nothing, measure it, check what it left, and end it. Raises `WrongAnswerError`."""
    with tempfile.TemporaryDirectory(prefix="visit-bench-") as folder:
        subject = kind(Path(folder))
        async with Processes(subject.settings.data_dir) as processes:
            try:
                await subject.start(processes, plan)
                await ready(subject.port)
                desk = Desk(subject.port, subject.headers_of)
                try:
                    measured = await measure(desk, plan, processes.cpu_seconds)
                finally:
                    desk.close()
            except Exception:
                print(processes.last_words(), file=sys.stderr)
                raise
        contradictions = audit(subject, plan)
        if contradictions:
            raise WrongAnswerError(f"{subject.name}: " + "; ".join(contradictions[:10]))
        return measured


async def run(asked: Run) -> dict[str, list[Measured]]:
    """All rounds, each subject in its turn; no round begins that would not end within the time asked for."""
    print(report.machine(), flush=True)
    end = monotonic() + 60 * asked.minutes
    found: dict[str, list[Measured]] = {name: [] for name in asked.subjects}
    for number in range(1, asked.rounds + 1):
        round_began = monotonic()
        for name in asked.subjects:
            began = monotonic()
            measured = await one_round(SUBJECTS[name], asked.plan)
            found[name].append(measured)
            told = "  ".join(f"{value:.1f}" for value in report.figures(measured).values())
            print(f"round {number} {name:<6} {monotonic() - began:4.0f} s  {told}", flush=True)
        if number < asked.rounds and 2 * monotonic() - round_began > end:
            print(f"time is up after {number} of {asked.rounds} rounds", flush=True)
            break
    return found


def conclude(found: dict[str, list[Measured]]) -> str:
    """The table of ratios, or one subject's own figures when only one was measured."""
    if len(found) == len(SUBJECTS):
        return report.table(report.compare(found["floor"], found["engine"]))
    ((name, rounds),) = found.items()
    rows = [("", *(f"round {number}" for number in range(1, len(rounds) + 1)))]
    shown = [report.figures(one) for one in rounds]
    rows += [(figure, *(f"{one[figure]:.1f}" for one in shown)) for figure in shown[0]]
    return f"{name} alone\n{report.markdown(rows)}"


def arguments(given: list[str]) -> Run:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="The engine against the floor of its design.")
    parser.add_argument("--rounds", type=_positive, default=5, help="how often each is started and measured")
    parser.add_argument("--count", type=_positive, default=120, help="patients of the calls timed one by one")
    parser.add_argument("--pairs", type=_positive, default=192, help=f"patients of the {CLIENTS} clients")
    parser.add_argument("--minutes", type=float, default=3.75, help="begin no round that would end later")
    parser.add_argument("--only", choices=SUBJECTS, help="measure one of the two; no ratios")
    asked = parser.parse_args(given)
    subjects = (asked.only,) if asked.only else tuple(SUBJECTS)
    return Run(asked.rounds, asked.minutes, Plan(asked.count, asked.pairs), subjects)


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000:
        raise argparse.ArgumentTypeError("from 1 to 10000")
    return number


def main() -> None:
    """Measure and print; exit 1 when an answer or a database was wrong."""
    # As for Ctrl-C: the processes of the round are ended and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked = arguments(sys.argv[1:])
    try:
        found = uvloop.run(run(asked))
    except WrongAnswerError as wrong:
        print(f"not measured: {wrong}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(conclude(found))


if __name__ == "__main__":
    main()
