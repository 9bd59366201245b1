"""`python -m bench` measures floor and engine in turn, round after round, and prints the ratios."""

import argparse
import logging
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog
import uvloop

from bench import report
from bench.database_check import check_database
from bench.options import whole_number
from bench.plan import CLIENTS, Plan
from bench.processes import ProcessGroup
from bench.systems import EngineSystem, FloorSystem, System
from bench.workload import DoctorClients, RoundResult, WrongAnswerError, measure_round, wait_until_ready

SYSTEMS: dict[str, type[System]] = {"floor": FloorSystem, "engine": EngineSystem}

COUNT = whole_number(10_000)
#: The results of all rounds by system.
Results = dict[str, list[RoundResult]]


@dataclass(frozen=True)
class BenchmarkOptions:
    """The options of the command line."""

    rounds: int
    minutes: float
    plan: Plan
    systems: tuple[str, ...]


async def run_round(system_class: type[System], plan: Plan) -> RoundResult:
    """Start a system in an empty folder, measure it, check its database and stop it. Raises `WrongAnswerError`."""
    with tempfile.TemporaryDirectory(prefix="visit-bench-") as folder:
        system = system_class(Path(folder))
        async with ProcessGroup(system.settings.data_dir) as processes:
            try:
                await system.start(processes, plan)
                await wait_until_ready(system.port)
                openings = await system.open_visits_ahead(plan, processes.cpu_seconds)
                clients = DoctorClients(system.port, system.doctor_headers)
                try:
                    result = await measure_round(clients, plan, processes.cpu_seconds)
                    result.cpu_seconds_per_opening = openings
                finally:
                    clients.close()
            except Exception:
                print(processes.log_tails(), file=sys.stderr)
                raise
        errors = check_database(system, plan)
        if errors:
            raise WrongAnswerError(f"{system.name}: " + "; ".join(errors[:10]))
        return result


async def run_rounds(options: BenchmarkOptions) -> Results:
    """Run all rounds, with each system once per round. A round that would end after `minutes` does not start."""
    print(report.describe_software(), flush=True)
    deadline = monotonic() + 60 * options.minutes
    results: Results = {name: [] for name in options.systems}
    for number in range(1, options.rounds + 1):
        round_start = monotonic()
        for name in options.systems:
            start = monotonic()
            result = await run_round(SYSTEMS[name], options.plan)
            results[name].append(result)
            figures = "  ".join(f"{value:.1f}" for value in report.round_figures(result).values())
            print(f"round {number} {name:<8} {monotonic() - start:4.0f} s  {figures}", flush=True)
        if number < options.rounds and 2 * monotonic() - round_start > deadline:
            print(f"stopped after {number} of {options.rounds} rounds: the next would end too late", flush=True)
            break
    return results


def summarize(results: Results) -> str:
    """The table of ratios, or the figures of one system when only one was measured."""
    if len(results) == len(SYSTEMS):
        table = report.ratio_table(report.compare_rounds(results["floor"], results["engine"]))
        return f"{table}\n\n{report.describe_openings(results['engine'])}"
    ((name, rounds),) = results.items()
    rows = [("", *(f"round {number}" for number in range(1, len(rounds) + 1)))]
    by_round = [report.round_figures(result) for result in rounds]
    rows += [(figure, *(f"{figures[figure]:.1f}" for figures in by_round)) for figure in by_round[0]]
    return f"{name} alone\n{report.markdown_table(rows)}"


def parse_arguments(arguments: list[str]) -> BenchmarkOptions:
    """Read the command line. Exits on a wrong option."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Compare the engine with the floor, a minimal program."
    )
    parser.add_argument("--rounds", type=COUNT, default=5, help="how often each system is started and measured")
    parser.add_argument("--count", type=COUNT, default=100, help="patients in the calls timed one by one")
    parser.add_argument("--pairs", type=COUNT, default=96, help=f"patients of the {CLIENTS} concurrent clients")
    parser.add_argument("--minutes", type=float, default=5.0, help="start no round that would end later")
    parser.add_argument("--only", choices=SYSTEMS, help="measure one of the two, without ratios")
    given = parser.parse_args(arguments)
    systems = (given.only,) if given.only else tuple(SYSTEMS)
    return BenchmarkOptions(given.rounds, given.minutes, Plan(given.count, given.pairs), systems)


def main() -> None:
    """Measure and print. Exits with code 1 after a wrong response or a wrong database."""
    # SIGTERM ends the run like Ctrl-C: the round's processes stop and its folder is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parse_arguments(sys.argv[1:])
    # The worker's code, which opens visits ahead, would log its steps between the rounds.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        results = uvloop.run(run_rounds(options))
    except WrongAnswerError as error:
        print(f"not measured: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(summarize(results))


if __name__ == "__main__":
    main()
