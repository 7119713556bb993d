"""Figures of scores and gains: the target × auxiliary matrix, test accuracy of each cell, gains with their intervals."""

from collections.abc import Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from m2pt.analysis.figures.style import GRID, INK, MUTED, NEGATIVE, PAPER, POSITIVE, cell_colour, figure, label_rows, star
from m2pt.analysis.numbers.cells import Cell
from m2pt.analysis.numbers.comparisons import Against, Comparison, Summary
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.tables.headline import signed
from m2pt.analysis.tables.shading import colour_limit, intensity
from m2pt.config import RANDOM

_LONGEST = 3.0  # times the median half-width


_READABLE_PX, _PHONE_PX = 9.3, 345.0
"""The smallest letters that can be read on a phone, and how wide a picture is there, in pixels of the page."""


_TITLE_WIDTH = 3.4
"""Inches that the title above a single column needs, beside the names of targets."""


def matrix(summary: Summary) -> Figure:
    """Gains over the baseline and over the random control, side by side: targets in rows, auxiliaries in columns."""
    rows, columns = len(summary.targets), len(summary.auxiliaries)
    drawn = figure(0.62 * rows + 1.2, width=1.05 * (2 * columns + 1) + 1.6)
    left, right = drawn.subplots(1, 2, width_ratios=[columns + 1.15, columns], sharey=True)
    limit = colour_limit(summary)
    _heat(left, summary, "baseline", [*summary.auxiliaries, RANDOM], limit)
    _heat(right, summary, "random", list(summary.auxiliaries), limit)
    left.set_title("Gain over no auxiliary, points")
    right.set_title("Gain over random weights, points")
    left.set_ylabel("target")
    drawn.supxlabel("auxiliary (dashed: controls; *: p ≤ 0.05 after the correction over its family)", fontsize=9, color=MUTED)
    return drawn


def answer(summary: Summary) -> Figure:
    """Gains over the random control alone, which the main question is about: small enough to stand beside its answer."""
    rows, columns = len(summary.targets), len(summary.auxiliaries)
    width = max(0.72 * columns + 0.85, _TITLE_WIDTH)
    drawn = figure(0.55 * rows + 0.85, width=width)
    axes = drawn.subplots()
    letters = max(8.0, _READABLE_PX * 72 * width / _PHONE_PX)
    _heat(axes, summary, "random", list(summary.auxiliaries), colour_limit(summary), small=letters)
    axes.tick_params(labelsize=letters)
    axes.set_xticks(axes.get_xticks(), [name.replace(" ", "\n") for name in summary.auxiliaries])
    axes.xaxis.tick_top()
    axes.set_title("Gain over random weights, points", fontsize=max(9.0, letters))
    axes.set_ylabel("target", fontsize=max(9.0, letters))
    return drawn


def _heat(
    axes: Axes, summary: Summary, against: Against, auxiliaries: Sequence[str], limit: float, *, small: float | None = None
) -> None:
    """Draw the gains; `small` is the size of the letters in a picture with room for the numbers and their intervals alone."""
    offsets = [column + (0.15 if name == RANDOM else 0) for column, name in enumerate(auxiliaries)]
    for row, target in enumerate(summary.targets):
        for offset, auxiliary in zip(offsets, auxiliaries, strict=True):
            _square(axes, offset, row, summary.comparison(target, auxiliary, against), limit, small)
    axes.set_xlim(-0.03, offsets[-1] + 1.03 if offsets else 1)
    axes.set_ylim(len(summary.targets) + 0.03, -0.03)
    axes.set_xticks([offset + 0.5 for offset in offsets], list(auxiliaries))
    labels = [f"{target}\n({measure})" if (measure := summary.measure(target)) else target for target in summary.targets]
    axes.set_yticks([row + 0.5 for row in range(len(summary.targets))], labels)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _square(axes: Axes, x: float, y: float, item: Comparison | None, limit: float, small: float | None) -> None:
    value = item.estimate.mean if item else None
    colour = to_rgba(POSITIVE if (value or 0) > 0 else NEGATIVE, intensity(value or 0, limit))
    control = item is not None and item.role != "pair"
    edge, line = (MUTED, (0, (3.0, 2.0))) if control else (GRID, "solid")
    axes.add_patch(Rectangle((x + 0.02, y + 0.02), 0.96, 0.96, facecolor=colour, edgecolor=edge, linestyle=line, linewidth=0.9))
    if item is None or value is None:
        axes.text(
            x + 0.5, y + 0.5, item.estimate.note if item else "–", ha="center", va="center", color=MUTED, fontsize=small or 8
        )
        return
    weight, star = ("bold", "*") if item.holds else ("normal", "")
    size = 10.0 if small is None else max(10.0, small)
    axes.text(x + 0.5, y + 0.36, signed(value) + star, ha="center", va="center", fontsize=size, fontweight=weight)
    axes.text(x + 0.5, y + 0.72, _width(item.estimate, small), ha="center", va="center", fontsize=small or 7, linespacing=0.9)


def _width(estimate: Estimate, small: float | None) -> str:
    """The interval below a number, or that there is none; in a large picture also why, or the number of seeds."""
    if estimate.half_width is None:
        return estimate.note.replace(", no", "\nno") if small is None else "± ?"
    return f"± {rounded(estimate.half_width, 2)}" + (f", n={estimate.n}" if small is None else "")


def accuracy(cells: Sequence[Cell]) -> Figure:
    """Test scores of one target's cells: a dot per seed, the mean with its interval; the baseline's interval shaded."""
    drawn = figure(0.27 * len(cells) + 0.75)
    axes = drawn.subplots()
    reference = next((cell.mean_test for cell in cells if cell.role == "baseline"), None)
    if reference and reference.mean is not None:
        axes.axvline(reference.mean, color=MUTED, linewidth=0.8, zorder=0)
        if reference.low is not None and reference.high is not None:
            axes.axvspan(reference.low, reference.high, facecolor=MUTED, alpha=0.12, linewidth=0, zorder=0)
    for row, cell in enumerate(cells):
        scores = [score for score in cell.test.values() if score is not None]
        colour = cell_colour(cell)
        axes.scatter(scores, [row + 0.17] * len(scores), s=9, color=colour, alpha=0.55, linewidths=0)
        filled = cell.role in ("baseline", "pair")
        _interval(axes, row - 0.1, cell.mean_test.mean, cell.mean_test.half_width, colour, filled=filled)
    label_rows(axes, [cell.label for cell in cells])
    axes.set_xlabel(f"test {cells[0].measure}, %")
    axes.grid(axis="x")
    return drawn


def gains(comparisons: Sequence[Comparison], cells: Sequence[Cell], limits: tuple[float, float]) -> Figure:
    """One target's gains with their intervals, over no auxiliary and over random weights; a star where a gain is shown."""
    shown = [cell for cell in cells if cell.role != "baseline"]
    drawn = figure(0.27 * len(shown) + 0.95)
    titles: dict[Against, str] = {"baseline": "over no auxiliary", "random": "over random weights"}
    panels = drawn.subplots(1, 2, sharey=True, sharex=True)
    for axes, (against, title) in zip(panels, titles.items(), strict=True):
        axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
        for row, cell in enumerate(shown):
            for item in comparisons:
                if item.against == against and item.column == cell.column:
                    value, filled = item.estimate, cell.role == "pair"
                    _interval(axes, row, value.mean, value.half_width, cell_colour(cell), filled=filled)
                    if item.holds and value.mean is not None:
                        star(axes, value.mean, row)
        axes.set_title(title)
        axes.grid(axis="x")
        axes.set_xlim(*limits)
    label_rows(panels[0], [cell.label for cell in shown])
    panels[1].tick_params(axis="y", length=0)
    panels[1].spines["left"].set_visible(False)
    drawn.supxlabel(f"gain in points of test {cells[0].measure}", fontsize=9)
    return drawn


def gain_limits(summary: Summary) -> tuple[float, float]:
    """One range for the gains of all targets, so that figures side by side can be compared.

    An interval far wider than the others (two seeds leave it enormous) is cut at the frame instead of shrinking the others.
    """
    widths = [item.estimate.half_width for item in summary.comparisons if item.estimate.half_width is not None]
    longest = _LONGEST * median(widths) if widths else 0.0
    ends = [0.0]
    for item in summary.comparisons:
        if item.estimate.mean is not None:
            reach = min(item.estimate.half_width or 0.0, longest)
            ends += [item.estimate.mean - reach, item.estimate.mean + reach]
    margin = max(0.25, 0.05 * (max(ends) - min(ends)))
    return min(ends) - margin, max(ends) + margin


def _interval(axes: Axes, y: float, mean: float | None, half_width: float | None, colour: str, *, filled: bool) -> None:
    """A mean with its interval; hollow for a control."""
    if mean is None:
        return
    if half_width is not None:
        axes.hlines(y, mean - half_width, mean + half_width, color=colour, linewidth=1.6)
    axes.plot(mean, y, marker="o", markersize=5, color=colour, markerfacecolor=colour if filled else PAPER, linestyle="none")
