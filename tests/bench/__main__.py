"""`python -m bench`: exit code 0 only if every target is met."""

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

from rich.console import Console

from bench import authorizer, chart, metering

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def main() -> int:
    options = _options()
    given = dict(options.limit)
    of_authorizer = authorizer.Limits(**{name: given[name] for name in _names(authorizer.Limits) if name in given})
    of_metering = metering.Limits(**{name: given[name] for name in _names(metering.Limits) if name in given})
    quick = options.quick
    with console.status("starting") as status:
        parts = [authorizer.measure(authorizer.QUICK if quick else authorizer.Counts(), of_authorizer, status.update)]
        parts += metering.measure(metering.QUICK if quick else metering.Counts(), of_metering, status.update)
    for part in parts:
        console.print(part.table())
    document = {part.name: part.document() for part in parts}
    options.json.write_text(json.dumps(document, indent=2) + "\n")
    options.chart.write_text(chart.draw(document))
    targets = [target for part in parts for target in part.targets]
    for target in targets:
        console.print(f"[green]✓[/] {target}" if target.met else f"[red]✗ {target}[/]")
    console.print(f"\nThe figures are in {options.json}, the chart is {options.chart}.", soft_wrap=True)
    return 0 if all(target.met for target in targets) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measures the functions beside references.")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where to write the figures")
    parser.add_argument("--chart", type=Path, default=_DOCS / "bench.svg", help="where to draw the chart")
    parser.add_argument(
        "--limit",
        type=_limit,
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help=f"another target: {', '.join(_LIMITS)}",
    )
    parser.add_argument("--quick", action="store_true", help="a few calls of each kind: does it run, no more")
    return parser.parse_args()


def _names(limits: type[authorizer.Limits] | type[metering.Limits]) -> list[str]:
    return [each.name for each in fields(limits)]


_LIMITS = _names(authorizer.Limits) + _names(metering.Limits)
_DOCS = Path(__file__).parents[2] / "docs"


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in _LIMITS:
        raise argparse.ArgumentTypeError(f"one of {', '.join(_LIMITS)}, then = and a number")
    return name, float(number)


if __name__ == "__main__":
    sys.exit(main())
