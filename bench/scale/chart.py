"""Draws small line charts as SVG. It writes few elements, so that the file stays readable in a diff."""

from collections.abc import Mapping, Sequence
from math import ceil, log10
from pathlib import Path
from xml.sax.saxutils import escape

COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 360, 210
PLOT_WIDTH, PLOT_HEIGHT = 280, 130
#: The upper left corner of the plot in its panel. Labels of the y axis and the title need the space.
PLOT_LEFT, PLOT_TOP = 65, 30
MAX_STEPS = 4
STYLE = (
    "text{font:11px sans-serif}.title{font-size:13px;text-anchor:middle}.x{text-anchor:middle}.y{text-anchor:end}"
    ".grid{stroke:#ddd;fill:none}.line{stroke:#1f77b4;stroke-width:1.5;fill:none;marker:url(#dot)}"
)


def draw_charts(target: Path, x_label: str, x: Sequence[float], lines: Mapping[str, Sequence[float]]) -> None:
    """Write one chart per line, all over the same x values. Both axes begin at 0."""
    rows = ceil(len(lines) / COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, rows * PANEL_HEIGHT
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        '<marker id="dot" viewBox="-3 -3 6 6" markerWidth="4"><circle r="2.5" fill="#1f77b4"/></marker>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for index, (title, y) in enumerate(lines.items()):
        left = index % COLUMNS * PANEL_WIDTH + PLOT_LEFT
        top = index // COLUMNS * PANEL_HEIGHT + PLOT_TOP
        elements.append(f'<g transform="translate({left} {top})">')
        elements += _panel(title, x_label, x, y)
        elements.append("</g>")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join([*elements, "</svg>", ""]))


def _panel(title: str, x_label: str, x: Sequence[float], y: Sequence[float]) -> list[str]:
    x_ticks, y_ticks = _ticks(max(x)), _ticks(max(y))
    x_positions = [_position(value, x_ticks, PLOT_WIDTH) for value in x_ticks]
    y_positions = [PLOT_HEIGHT - _position(value, y_ticks, PLOT_HEIGHT) for value in y_ticks]
    grid = [f"M0 {position}h{PLOT_WIDTH}" for position in y_positions]
    grid += [f"M{position} 0v{PLOT_HEIGHT}" for position in x_positions]
    points = [
        f"{_position(x_value, x_ticks, PLOT_WIDTH)},{round(PLOT_HEIGHT - _position(y_value, y_ticks, PLOT_HEIGHT), 1)}"
        for x_value, y_value in zip(x, y, strict=True)
    ]
    return [
        f'<text class="title" x="{PLOT_WIDTH / 2:.0f}" y="-10">{escape(title)}</text>',
        f'<path class="grid" d="{"".join(grid)}"/>',
        f'<polyline class="line" points="{" ".join(points)}"/>',
        "".join(
            f'<text class="y" x="-6" y="{position + 4}">{value:,}</text>'
            for value, position in zip(y_ticks, y_positions, strict=True)
        ),
        "".join(
            f'<text class="x" x="{position}" y="{PLOT_HEIGHT + 16}">{value:,}</text>'
            for value, position in zip(x_ticks, x_positions, strict=True)
        ),
        f'<text class="x" x="{PLOT_WIDTH / 2:.0f}" y="{PLOT_HEIGHT + 32}">{escape(x_label)}</text>',
    ]


def _ticks(largest: float) -> list[int]:
    """Round numbers from 0 to at least `largest`, in at most `MAX_STEPS` steps of 1, 2 or 5 times a power of ten."""
    power = 10 ** max(0, int(log10(max(largest, 1))) - 1)
    step = next(power * factor for factor in (1, 2, 5, 10, 20, 50) if power * factor * MAX_STEPS >= largest)
    return [step * index for index in range(ceil(largest / step) + 1)]


def _position(value: float, ticks: Sequence[int], length: int) -> float:
    return round(length * value / ticks[-1], 1)
