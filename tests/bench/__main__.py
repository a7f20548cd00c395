"""`python -m bench`: exit code 0 only if every target is met."""

import argparse
import json
import sys
from dataclasses import fields, replace
from pathlib import Path

from rich.console import Console

from bench import authorizer

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def main() -> int:
    options = _options()
    limits = replace(authorizer.Limits(), **dict(options.limit))
    counts = authorizer.QUICK if options.quick else authorizer.Counts()
    with console.status("starting") as status:
        parts = [authorizer.measure(counts, limits, status.update)]
    for part in parts:
        console.print(part.table())
    options.json.write_text(json.dumps({part.name: part.document() for part in parts}, indent=2) + "\n")
    targets = [target for part in parts for target in part.targets]
    for target in targets:
        console.print(f"[green]✓[/] {target}" if target.met else f"[red]✗ {target}[/]")
    console.print(f"\nThe figures are in {options.json}.", soft_wrap=True)
    return 0 if all(target.met for target in targets) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measures the functions beside references.")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where to write the figures")
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


_LIMITS = [each.name for each in fields(authorizer.Limits)]


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in _LIMITS:
        raise argparse.ArgumentTypeError(f"one of {', '.join(_LIMITS)}, then = and a number")
    return name, float(number)


if __name__ == "__main__":
    sys.exit(main())
