"""Turns the results of the stream's benchmark into a table with ratios and spread, and compares them with the aims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.fanout.rounds import FanoutResult, Load
from bench.report import markdown_table
from patient_visit_engine.cli.replay.delivery import Faults

#: One result per round, by server and number of connections.
Results = Mapping[str, Mapping[int, Sequence[FanoutResult]]]
#: From this share of CPU time on, the client was the bottleneck of a load.
CLIENT_BOUND_SHARE = 0.9
KIB_AIM = 20.0


@dataclass(frozen=True)
class Figure:
    """One line of the table. `number_format` is the format of its values."""

    name: str
    connections: int
    value_of: Callable[[FanoutResult], float]
    number_format: str


@dataclass(frozen=True)
class Aim:
    """What a ratio of two servers should be, or the value of `above` where there is no `below`."""

    text: str
    figure: str
    above: str
    below: str | None
    is_met: Callable[[float], bool]


def list_figures(connections: Sequence[int], loads: Sequence[Load]) -> list[Figure]:
    """The lines of the table, in order."""
    figures: list[Figure] = []
    for count in connections:
        figures.append(Figure(f"{count}: KiB a connection", count, lambda result: result.kib_per_connection, ".1f"))
        for load in loads:
            figures += [
                Figure(f"{count}, {load.name}: {label}", count, _load_value(load.name, attribute), number_format)
                for label, attribute, number_format in (
                    ("p50 ms", "p50", ".1f"),
                    ("p99 ms", "p99", ".1f"),
                    ("max ms", "max", ".1f"),
                    ("deliveries/s", "deliveries_per_second", ",.0f"),
                    ("server CPU s", "server_cpu_seconds", ".2f"),
                    ("CPU us a delivery", "cpu_microseconds_per_delivery", ".1f"),
                    ("server without a core s", "seconds_without_core", ".2f"),
                )
            ]
    return figures


def _load_value(load: str, attribute: str) -> Callable[[FanoutResult], float]:
    return lambda result: float(getattr(result.loads[load], attribute))


def results_table(results: Results, figures: Sequence[Figure]) -> str:
    """Each figure as median (least to most) of each server, and the ratios of the rounds."""
    pairs = [pair for pair in (("engine", "nchan"), ("queues", "engine")) if all(name in results for name in pair)]
    rows = [("connections, load: figure", *results, *(f"{above}/{below}" for above, below in pairs))]
    for figure in figures:
        values = {name: _values(results, name, figure) for name in results}
        cells = [_spread(server_values, figure.number_format) for server_values in values.values()]
        cells += [_spread(_ratios(values[above], values[below]), ".2f") for above, below in pairs]
        rows.append((figure.name, *cells))
    return markdown_table(rows)


def _values(results: Results, server: str, figure: Figure) -> list[float]:
    return [figure.value_of(result) for result in results[server][figure.connections]]


def _ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    # A CPU time below one clock tick is 0. Such a round has no ratio.
    return [numerator / denominator for numerator, denominator in zip(above, below, strict=True) if denominator]


def _spread(values: Sequence[float], number_format: str) -> str:
    if not values:
        return "-"
    return f"{median(values):{number_format}} ({min(values):{number_format}} to {max(values):{number_format}})"


def list_aims(connections: Sequence[int], loads: Sequence[Load]) -> list[Aim]:
    """The aims of the engine. The aims for p99 concern the largest number of connections only."""
    most = max(connections)
    aims: list[Aim] = []
    for load in loads:
        if load.every:
            p99 = f"{most}, {load.name}: p99 ms"
            aims += [
                Aim(f"{p99}, engine/nchan <= 1.25", p99, "engine", "nchan", lambda ratio: ratio <= 1.25),
                Aim(f"{p99}, queues/engine >= 8", p99, "queues", "engine", lambda ratio: ratio >= 8),
            ]
        else:
            names = [f"{count}, {load.name}: deliveries/s" for count in connections]
            aims += [
                Aim(f"{name}, engine/nchan >= 0.5", name, "engine", "nchan", lambda ratio: ratio >= 0.5)
                for name in names
            ]
    for count in connections:
        name = f"{count}: KiB a connection"
        aims.append(Aim(f"{name}, engine <= {KIB_AIM:.0f}", name, "engine", None, lambda kib: kib <= KIB_AIM))
    return aims


def compare_with_aims(results: Results, figures: Sequence[Figure], aims: Sequence[Aim]) -> list[str]:
    """One line per aim: met, not met, or not measured. The median decides."""
    by_name = {figure.name: figure for figure in figures}
    lines = []
    for aim in aims:
        figure = by_name[aim.figure]
        if aim.above not in results or (aim.below is not None and aim.below not in results):
            lines.append(f"not measured  {aim.text}")
            continue
        values = _values(results, aim.above, figure)
        if aim.below is not None:
            values = _ratios(values, _values(results, aim.below, figure))
        verdict = "met    " if aim.is_met(median(values)) else "NOT met"
        lines.append(f"{verdict}  {aim.text}: {_spread(values, '.2f')}")
    return lines


def verified_deliveries(results: Results) -> str:
    """How many deliveries were verified. A run with faults has ended before."""
    faults, deliveries = Faults(), 0
    for by_connections in results.values():
        for rounds in by_connections.values():
            for load_result in (load_result for result in rounds for load_result in result.loads.values()):
                faults.add(load_result.faults)
                deliveries += load_result.deliveries
    return (
        f"{deliveries:,} deliveries verified: {faults.missing} missing, {faults.duplicate} duplicate, "
        f"{faults.reordered} reordered"
    )


def client_costs(results: Results) -> list[str]:
    """The client's CPU time in each load, and whether it may have been the bottleneck."""
    lines = []
    for name, by_connections in results.items():
        for count, rounds in by_connections.items():
            for load in rounds[0].loads:
                seconds = median(result.loads[load].client_cpu_seconds for result in rounds)
                share = median(result.loads[load].client_cpu_share for result in rounds)
                bound = ": the client was the bottleneck" if share >= CLIENT_BOUND_SHARE else ""
                lines.append(f"client, {name}, {count}, {load}: {seconds:.2f} CPU s, {share:.0%} of the time{bound}")
    return lines
