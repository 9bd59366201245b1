"""Turns rounds of the stream's benchmark into a table with ratios, spread and aims; it must not measure anything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.fanout.hearing import Faults
from bench.fanout.rounds import Load, Measured
from bench.report import markdown

#: By subject and number of connections, a measurement a round.
Found = Mapping[str, Mapping[int, Sequence[Measured]]]
#: A load for which the client computed this part of the time was bound by the client.
CLIENT_BOUND = 0.9
MOST_CONNECTIONS = 5_000
KIB_AIM = 20.0


@dataclass(frozen=True)
class Figure:
    """One line of the table: what is measured, and how it is written."""

    name: str
    connections: int
    of: Callable[[Measured], float]
    written: str


@dataclass(frozen=True)
class Aim:
    """What one ratio, or the engine's own figure where there is no `below`, is to be."""

    text: str
    figure: str
    above: str
    below: str | None
    met: Callable[[float], bool]


def figures(connections: Sequence[int], loads: Sequence[Load]) -> list[Figure]:
    """The lines, in order."""
    lines: list[Figure] = []
    for count in connections:
        lines.append(Figure(f"{count}: KiB a connection", count, lambda one: one.kib, ".1f"))
        for load in loads:
            lines += [
                Figure(f"{count}, {load.name}: {what}", count, _of(load.name, attribute), written)
                for what, attribute, written in (
                    ("p50 ms", "p50", ".1f"),
                    ("p99 ms", "p99", ".1f"),
                    ("max ms", "max", ".1f"),
                    ("deliveries/s", "per_second", ",.0f"),
                    ("server CPU s", "server", ".2f"),
                    ("CPU us a delivery", "microseconds", ".1f"),
                    ("server without a core s", "waited", ".2f"),
                )
            ]
    return lines


def _of(load: str, attribute: str) -> Callable[[Measured], float]:
    return lambda one: float(getattr(one.heard[load], attribute))


def table(found: Found, lines: Sequence[Figure]) -> str:
    """Each figure's median (least to most) by subject, and the ratios round by round."""
    ratios = [pair for pair in (("engine", "nchan"), ("queues", "engine")) if all(name in found for name in pair)]
    rows = [("connections, load: figure", *found, *(f"{above}/{below}" for above, below in ratios))]
    for line in lines:
        of_each = {name: [line.of(one) for one in measured[line.connections]] for name, measured in found.items()}
        cells = [_spread(values, line.written) for values in of_each.values()]
        cells += [_spread(_ratios(of_each[above], of_each[below]), ".2f") for above, below in ratios]
        rows.append((line.name, *cells))
    return markdown(rows)


def _ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    # Where the clock ticks are too coarse for what was computed, there is no ratio.
    return [one / other for one, other in zip(above, below, strict=True) if other]


def _spread(values: Sequence[float], written: str) -> str:
    if not values:
        return "-"
    return f"{median(values):{written}} ({min(values):{written}} to {max(values):{written}})"


def aims(connections: Sequence[int], loads: Sequence[Load]) -> list[Aim]:
    """What the engine should come to."""
    most = max(connections)
    told: list[Aim] = []
    for load in loads:
        if load.every:
            p99 = f"{most}, {load.name}: p99 ms"
            told += [
                Aim(f"{p99}, engine/nchan <= 1.25", p99, "engine", "nchan", lambda ratio: ratio <= 1.25),
                Aim(f"{p99}, queues/engine >= 8", p99, "queues", "engine", lambda ratio: ratio >= 8),
            ]
        else:
            names = [f"{count}, {load.name}: deliveries/s" for count in connections]
            told += [
                Aim(f"{name}, engine/nchan >= 0.5", name, "engine", "nchan", lambda ratio: ratio >= 0.5)
                for name in names
            ]
    for count in connections:
        name = f"{count}: KiB a connection"
        told.append(Aim(f"{name}, engine <= {KIB_AIM:.0f}", name, "engine", None, lambda kib: kib <= KIB_AIM))
    return told


def judged(found: Found, lines: Sequence[Figure], told: Sequence[Aim]) -> list[str]:
    """Each aim with what was measured: met, not met, or not measured. The median decides."""
    by_name = {line.name: line for line in lines}
    verdicts = []
    for aim in told:
        line = by_name[aim.figure]
        if aim.above not in found or (aim.below is not None and aim.below not in found):
            verdicts.append(f"not measured  {aim.text}")
            continue
        values = [line.of(one) for one in found[aim.above][line.connections]]
        if aim.below is not None:
            values = _ratios(values, [line.of(one) for one in found[aim.below][line.connections]])
        verdict = "met    " if aim.met(median(values)) else "NOT met"
        verdicts.append(f"{verdict}  {aim.text}: {_spread(values, '.2f')}")
    return verdicts


def checked(found: Found) -> str:
    """How much was verified. What was wrong has ended the run before this."""
    faults, deliveries = Faults(), 0
    for measured in found.values():
        for rounds in measured.values():
            for heard in (heard for one in rounds for heard in one.heard.values()):
                faults.add(heard.faults)
                deliveries += heard.deliveries
    return (
        f"{deliveries:,} deliveries verified: {faults.missing} missing, {faults.duplicate} duplicate, "
        f"{faults.reordered} reordered"
    )


def client(found: Found) -> list[str]:
    """What the client itself computed in each load, and where it may have been the bottleneck."""
    told = []
    for name, measured in found.items():
        for count, rounds in measured.items():
            for load in rounds[0].heard:
                seconds = median(one.heard[load].client for one in rounds)
                share = median(one.heard[load].client_share for one in rounds)
                bound = ": the client was the bottleneck" if share >= CLIENT_BOUND else ""
                told.append(f"client, {name}, {count}, {load}: {seconds:.2f} CPU s, {share:.0%} of the time{bound}")
    return told
