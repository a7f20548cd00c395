"""What a part of the benchmark found, and whether it is good enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One line of the table: a value of each subject, the first of them ours; of the references some have none."""

    name: str
    text: str
    unit: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """`value` has to stay under `limit`, or with `at_least` must not."""

    name: str
    text: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value < self.limit

    def __str__(self) -> str:
        verdict = "" if self.met else "MISSED: "
        bound = "at least" if self.at_least else "under"
        return f"{verdict}{self.text}: {self.value:.3g}, target {bound} {self.limit:.3g} ({self.name})"


@dataclass(frozen=True)
class Part:
    """A part of the benchmark: `subjects` by name with the heading of their column, ours first; `about` is how."""

    name: str
    title: str
    subjects: Mapping[str, str]
    figures: Sequence[Figure]
    targets: Sequence[Target]
    about: Mapping[str, Any]
    caption: str

    def table(self) -> Table:
        """For people: every reference with how many times our value it is."""
        shown = Table(
            title=f"\n{self.title}",
            title_justify="left",
            title_style="bold",
            caption=self.caption,
            caption_justify="left",
        )
        shown.add_column("")
        for heading in self.subjects.values():
            shown.add_column(heading, justify="right")
        ours = next(iter(self.subjects))
        for figure in self.figures:
            cells = [_cell(figure, subject, ours) for subject in self.subjects]
            shown.add_row(f"{figure.text}, {figure.unit}" if figure.unit else figure.text, *cells)
        return shown

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "about": dict(self.about),
            "figures": {figure.name: {"unit": figure.unit, **figure.values} for figure in self.figures},
            "targets": {
                target.name: {
                    "value": target.value,
                    "at_least" if target.at_least else "under": target.limit,
                    "met": target.met,
                }
                for target in self.targets
            },
        }


def _cell(figure: Figure, subject: str, ours: str) -> str:
    if subject not in figure.values:
        return "·"
    value, own = figure.values[subject], figure.values[ours]
    times = f" ({_digits(value / own)}x)" if subject != ours and own > 0 else ""
    return f"{_digits(value)}{times}"


def _digits(value: float) -> str:
    """Two that count, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
