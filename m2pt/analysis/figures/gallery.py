"""All figures of a study, drawn, named and described."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from m2pt.analysis.figures import scores, style, training
from m2pt.analysis.numbers.cells import Cell, by_target
from m2pt.analysis.numbers.comparisons import Comparison, Summary
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.trajectories import ByCell
from m2pt.analysis.tables.headline import difference

_WITH_SCALES = ("pair", "random")


@dataclass(frozen=True)
class Picture:
    """A figure, its files, and in words for readers who do not see it."""

    name: str
    section: str
    condition: str
    title: str
    alternative: str
    drawn: Figure

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        with style.look():
            return style.png(self.drawn)

    @cached_property
    def svg(self) -> bytes:
        """The figure as SVG."""
        with style.look():
            return style.svg(self.drawn)

    @property
    def inline(self) -> str:
        """The figure as an element of an HTML page."""
        return style.inline(self.svg, self.name, self.alternative)


def draw(summary: Summary, cells: Sequence[Cell], curves: ByCell, scales: ByCell) -> list[Picture]:
    """The figures of one condition that its complete runs allow.

    Args:
        summary: the condition.
        cells: the cells of the study.
        curves: their training curves (`m2pt.analysis.numbers.trajectories.curves`).
        scales: their scales (`m2pt.analysis.numbers.trajectories.scales`).

    """
    members = by_target(cell for cell in cells if cell.condition == summary.condition)
    with style.look():
        return list(_pictures(summary, members, curves, scales))


def _pictures(summary: Summary, members: Mapping[str, Sequence[Cell]], curves: ByCell, scales: ByCell) -> Iterator[Picture]:
    slug = summary.condition.slug
    if summary.auxiliaries and any(item.estimate.n for item in summary.comparisons):
        yield picture("answer", "", slug, _matrix_words(summary), scores.answer(summary))
        yield picture("matrix", "", slug, _matrix_words(summary), scores.matrix(summary))
    limits = scores.gain_limits(summary)
    for target, cells in by_target(summary.cells).items():
        if any(cell.mean_test.n for cell in cells):
            yield picture("accuracy", target, slug, _accuracy_words(target, cells), scores.accuracy(cells))
        items = [item for item in summary.comparisons if item.target == target]
        if any(item.estimate.n for item in items):
            words = _gain_words(target, items)
            yield picture("gains", target, slug, words, scores.gains(items, cells, limits))
        rows = [scales[cell.key].assign(method=cell.method) for cell in cells if cell.role in _WITH_SCALES and cell.key in scales]
        if rows:
            yield picture("scales", target, slug, _scale_words(target, pd.concat(rows)), training.scales(pd.concat(rows)))
        epochs = [curves[cell.key]["epoch"].max() for cell in members[target] if cell.key in curves]
        if epochs:
            words = (
                f"Training loss and validation {cells[0].measure} on {target} over {max(epochs)} epochs, one line per auxiliary."
            )
            yield picture("curves", target, slug, words, training.curves(curves, cells))


def picture(section: str, target: str, condition: str, alternative: str, drawn: Figure) -> Picture:
    """A finished figure with its name; within `style.look`."""
    style.arrange(drawn)
    name = "-".join(part for part in (section, target, condition) if part)
    return Picture(name, section, condition, target, alternative, drawn)


def _matrix_words(summary: Summary) -> str:
    over = [
        f"{item.target} from {item.auxiliary} {difference(item.estimate)}{' (shown)' if item.holds else ''}"
        for item in summary.select("random", "pair")
    ]
    return "Matrix of gains in points" + (f"; over random weights: {'; '.join(over)}." if over else ".")


def _gain_words(target: str, items: Sequence[Comparison]) -> str:
    over = {"baseline": "no auxiliary", "random": "random weights"}
    shown = [f"{item.cell.label} over {over[item.against]}" for item in items if item.holds]
    marked = f"marked as shown: {', '.join(shown)}" if shown else "none is marked as shown"
    return f"Gains on {target} with their intervals, {marked}; the numbers are in the tables of gains."


def _accuracy_words(target: str, cells: Sequence[Cell]) -> str:
    means = [f"{cell.label} {rounded(cell.mean_test.mean, 1)} %" for cell in cells if cell.mean_test.mean is not None]
    return f"Test {cells[0].measure} on {target}, mean over seeds: " + ", ".join(means) + "."


def _scale_words(target: str, rows: pd.DataFrame) -> str:
    shown = "pathway" if (rows["method"] == "pathway").any() else "random_auxiliary"
    last = rows[(rows["epoch"] == rows["epoch"].max()) & (rows["method"] == shown)]
    ends = [f"{layer} {rounded(values.mean(), 3)}" for layer, values in last.groupby("layer", sort=False)["scale"]]
    of = "" if shown == "pathway" else " of random weights"
    return f"Scales{of} on {target} over the epochs, per layer type and depth; mean size at the end: " + ", ".join(ends) + "."
