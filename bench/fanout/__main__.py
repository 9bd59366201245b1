"""`python -m bench.fanout` measures the event stream of each server in turn, round after round."""

import argparse
import asyncio
import resource
import signal
import sys
from dataclasses import dataclass, replace
from time import monotonic

from bench.fanout import figures
from bench.fanout.endurance import run_endurance_test
from bench.fanout.footprint import open_file_limit_error
from bench.fanout.json_pipe import NoReplyError
from bench.fanout.rounds import FanoutResult, Load, NotVerifiedError, measure_server
from bench.fanout.servers import SERVERS, ServerNotReadyError
from bench.machine import describe_machine
from bench.options import whole_number

PACKAGES = ("uvicorn", "uvloop", "httptools", "starlette", "sse-starlette", "fastapi")
COUNT = whole_number(20_000)


@dataclass(frozen=True)
class FanoutOptions:
    """The options of the command line."""

    rounds: int
    minutes: float
    connections: tuple[int, ...]
    loads: tuple[Load, ...]
    servers: tuple[str, ...]
    endurance_minutes: float | None


async def run_rounds(options: FanoutOptions) -> figures.Results:
    """Run all rounds, with each server once per round. A round that would end after `minutes` does not start."""
    deadline = monotonic() + 60 * options.minutes
    results: dict[str, dict[int, list[FanoutResult]]] = {
        name: {count: [] for count in options.connections} for name in options.servers
    }
    for number in range(1, options.rounds + 1):
        round_start = monotonic()
        for count in options.connections:
            for name in options.servers:
                start = monotonic()
                result = await measure_server(SERVERS[name], count, options.loads)
                results[name][count].append(result)
                summary = f"{monotonic() - start:4.0f} s  {_summarize_result(result)}"
                print(f"round {number} {name:<6} {count:>5} {summary}", flush=True)
        if number < options.rounds and 2 * monotonic() - round_start > deadline:
            print(f"stopped after {number} of {options.rounds} rounds: the next would end too late", flush=True)
            break
    return results


def _summarize_result(result: FanoutResult) -> str:
    loads = [
        f"{name}: p50 {load.p50:.1f} p99 {load.p99:.1f} max {load.max:.1f} ms, {load.deliveries_per_second:,.0f}/s, "
        f"{load.cpu_microseconds_per_delivery:.1f} us"
        for name, load in result.loads.items()
    ]
    return "; ".join([f"{result.kib_per_connection:.1f} KiB", *loads])


def summarize(options: FanoutOptions, results: figures.Results) -> str:
    """The table, the aims, the client's costs and the number of verified deliveries."""
    listed = figures.list_figures(options.connections, options.loads)
    aims = figures.list_aims(options.connections, options.loads)
    sections = [
        figures.results_table(results, listed),
        "\n".join(figures.compare_with_aims(results, listed, aims)),
        "\n".join(figures.client_costs(results)),
        figures.verified_deliveries(results),
    ]
    return "\n\n".join(sections)


def parse_arguments(arguments: list[str]) -> FanoutOptions:
    """Read the command line. Exits on a wrong option."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description="Compare servers of event streams.")
    parser.add_argument("--rounds", type=COUNT, default=3, help="how often each server is started and measured")
    parser.add_argument(
        "--connections", type=COUNT, nargs="+", default=[1000, 5000], help="subscribers at the same time"
    )
    parser.add_argument("--events", type=COUNT, default=20, help="events of the spaced load")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two events of the spaced load")
    parser.add_argument("--burst", type=COUNT, default=200, help="events of the back to back load")
    parser.add_argument("--minutes", type=float, default=15, help="start no round that would end later")
    parser.add_argument("--only", choices=SERVERS, nargs="+", help="measure only these servers")
    parser.add_argument(
        "--soak",
        type=float,
        metavar="MINUTES",
        help="run the endurance test instead: the engine's memory over this time",
    )
    given = parser.parse_args(arguments)
    loads = (Load("spaced", given.events, given.every), Load("back to back", given.burst, 0.0))
    servers = tuple(name for name in SERVERS if given.only is None or name in given.only)
    return FanoutOptions(given.rounds, given.minutes, tuple(given.connections), loads, servers, given.soak)


def available_servers(servers: tuple[str, ...]) -> tuple[str, ...]:
    """The servers that this machine can run. Prints what is missing for the others."""
    missing = {name: SERVERS[name].missing_software() for name in servers}
    for name, software in missing.items():
        if software is not None:
            print(f"{name} is skipped: this machine does not have {software}", flush=True)
    return tuple(name for name, software in missing.items() if software is None)


def run_benchmark(options: FanoutOptions) -> int:
    """Measure and print. Returns the exit code."""
    print(describe_machine(PACKAGES), flush=True)
    if options.endurance_minutes is not None:
        is_flat = asyncio.run(run_endurance_test(max(options.connections), options.endurance_minutes))
        return 0 if is_flat else 1
    results = asyncio.run(run_rounds(options))
    print("\n" + summarize(options, results))
    return 0


def main() -> None:
    """Exits with code 1 when an event was missing, duplicate or reordered, or the memory grew."""
    # SIGTERM ends the run like Ctrl-C: the round's processes stop and its folder is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    options = parse_arguments(sys.argv[1:])
    if limit_error := open_file_limit_error(max(options.connections)):
        raise SystemExit(limit_error)
    options = replace(options, servers=available_servers(options.servers))
    try:
        code = run_benchmark(options)
    except (NotVerifiedError, ServerNotReadyError, NoReplyError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(code)


if __name__ == "__main__":
    main()
