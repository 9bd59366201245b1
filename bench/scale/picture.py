"""The slopes as a picture, by matplotlib; it must not know what is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


def draw(target: Path, at: Sequence[float], lines: Mapping[str, Sequence[float]]) -> None:
    """One small plot for each line, over the same axis, as SVG."""
    # Without a date and with fixed ids the same figures give the same file.
    mpl.rcParams["svg.hashsalt"] = "visits"
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots(2, 2)
    for axis, (name, values) in zip(axes.flat, lines.items(), strict=True):
        axis.plot(at, values, marker="o")
        axis.set_title(name)
        axis.set_xlabel("patient-days")
        axis.set_ylim(bottom=0)
        axis.grid(visible=True, alpha=0.3)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, format="svg", metadata={"Date": None})
