"""docs/bench.svg from the figures: what is metered per second, what a million calls cost, how soon they are billed.

`python -m bench.chart bench.json docs/bench.svg` draws it again. A card of its own, light in GitHub's light and dark
mode alike; colours that differ in brightness too; every bar says its number.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 1040, 470
_INK, _QUIET, _RULE = "#1f2a3a", "#5b6b80", "#dbe2ea"
_OURS, _TEMPLATE, _FLOOR = "#2f6f4f", "#c9772b", "#9fb0c3"
_COST = (
    ("access_log", "access log", "#9fb0c3"),
    ("lambda", "Lambda", "#c9772b"),
    ("function_log", "the function's own log", "#6b7fa8"),
)
_BAR, _STEP = 22, 30

Figures = Mapping[str, Mapping[str, Any]]
_Bar = tuple[str, float, str, str]


def draw(document: Mapping[str, Any]) -> str:
    """The picture of what `bench.json` holds."""
    throughput: Figures = document["metering_throughput"]["figures"]
    cost: Figures = document["metering_cost"]["figures"]
    lag: Figures = document["metering_lag"]["figures"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="Helvetica, Arial, sans-serif" font-size="14">',
        "<title>Metering beside Revenium's own template: API calls per second, cost and lag</title>",
        f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" rx="12" fill="#ffffff" stroke="{_RULE}"/>',
        *_throughput(throughput, 36, 40),
        *_cost(cost, 556, 40),
        *_lag(lag, 556, 300),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _throughput(figures: Figures, x: int, y: int) -> list[str]:
    parts = _heading(
        x, y, "API calls metered per second", "one instance; logarithmic, so each line is ten times the last"
    )
    bars: list[tuple[str, Sequence[_Bar]]] = []
    for latency in (5, 25, 100):
        values = figures[f"calls_per_second_{latency}ms"]
        bars.append((f"Revenium answers after {latency} ms", (
            ("ours, v2", values["ours"], _OURS, ""),
            ("template, v1", values["template"], _TEMPLATE, f"{values['ours'] / values['template']:.0f} times less"),
            ("floor, v2", values["floor"], _FLOOR, ""),
        )))  # fmt: skip
    left, wide, top = x + 92, 330, y + 40
    bottom = top + len(bars) * (3 * 26 + 40) - 10
    for power in range(5):
        at = left + wide * power / 4
        parts.append(f'<path d="M{at:.0f} {top}V{bottom}" stroke="{_RULE}"/>')
        parts.append(_text(at, bottom + 16, f"{10**power:,}", _QUIET, 12, "middle"))
    at_y = top + 14
    for title, group in bars:
        parts.append(_text(x, at_y, title, _INK, 13, weight="bold"))
        at_y += 10
        for name, value, colour, more in group:
            long = max(2.0, wide * math.log10(max(1.0, value)) / 4)
            parts.append(_text(left - 8, at_y + 15, name, _INK, 13, "end"))
            parts.append(f'<rect x="{left}" y="{at_y}" width="{long:.1f}" height="20" rx="3" fill="{colour}"/>')
            parts.append(_label(left + long + 6, at_y + 15, f"{value:,.0f}", more))
            at_y += 26
        at_y += 30
    return parts


def _cost(figures: Figures, x: int, y: int) -> list[str]:
    parts = _heading(
        x, y, "Dollars for a million calls", "AWS list prices, events of 100 calls, latency in connecting too"
    )
    columns = (
        ("ours_25", "ours, 25 ms"), ("connecting_25", "template"), ("ours_100", "ours, 100 ms"),
        ("connecting_100", "template"),
    )  # fmt: skip
    most = max(figures["total"][column] for column, _ in columns)
    left, wide, at_y = x + 92, 290, y + 44
    for column, heading in columns:
        parts.append(_text(left - 8, at_y + 16, heading, _INK, 13, "end"))
        at: float = left
        for name, _, colour in _COST:
            long = wide * figures[name][column] / most
            parts.append(f'<rect x="{at:.1f}" y="{at_y}" width="{long:.1f}" height="{_BAR}" fill="{colour}"/>')
            at += long
        parts.append(_label(at + 6, at_y + 16, f"${figures['total'][column]:.2f}", ""))
        at_y += _STEP + (8 if column.startswith("connecting") else 0)
    at = left
    for _, label, colour in _COST:
        parts.append(f'<rect x="{at}" y="{at_y + 2}" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(at + 18, at_y + 13, label, _QUIET, 12))
        at += 32 + 7 * len(label)
    return parts


def _lag(figures: Figures, x: int, y: int) -> list[str]:
    parts = _heading(x, y, "From call to billed", "simulated; CloudWatch's own delay comes on top")
    at_y = y + 48
    for column, heading in (
        ("steady", "100 calls/s, 25 ms"), ("slow", "100 calls/s, 100 ms"), ("burst", "burst of 50,000 calls")
    ):  # fmt: skip
        median, late = figures["lag_median"][column], figures["lag_p99"][column]
        parts.append(_text(x, at_y + 16, heading, _INK, 13))
        parts.append(_text(x + 250, at_y + 16, _seconds(median), _OURS, 18, "end", "bold"))
        parts.append(_text(x + 258, at_y + 16, "median", _QUIET, 12))
        parts.append(_text(x + 390, at_y + 16, _seconds(late), _OURS, 18, "end", "bold"))
        parts.append(_text(x + 398, at_y + 16, "p99", _QUIET, 12))
        at_y += _STEP
    return parts


def _heading(x: int, y: int, title: str, below: str) -> list[str]:
    return [_text(x, y, title, _INK, 17, weight="bold"), _text(x, y + 20, below, _QUIET, 12)]


def _label(x: float, y: float, number: str, more: str) -> str:
    """The number, and beside it in grey what it means."""
    return (
        f'<text x="{x:.0f}" y="{y}" font-size="13" font-weight="bold" fill="{_INK}">{escape(number)}'
        f'<tspan dx="8" font-weight="normal" fill="{_QUIET}" font-size="12">{escape(more)}</tspan></text>'
    )


def _text(x: float, y: float, text: str, colour: str, size: int, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.0f}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 10 else f"{value:.2f} s"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(json.loads(Path(sys.argv[1]).read_text())))
