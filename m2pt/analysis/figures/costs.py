"""Rivals on planes of gain against cost, together with the pathway, its random control and the baseline.

Some costs are measured times, so these figures differ between identical executions: they are only in the page of costs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy import optimize

from m2pt.analysis.figures import style
from m2pt.analysis.figures.style import INK, MODALITY, MUTED, PAPER, figure
from m2pt.analysis.tables.headline import difference
from m2pt.analysis.tables.methods import MethodRow

KINDS: dict[str, tuple[str, str, str]] = {
    "reference": ("D", INK, "reference"),
    "claim": ("o", MODALITY["image"], "claim"),
    "control": ("s", MUTED, "control"),
    "rival": ("^", MODALITY["audio"], "rival"),
}
"""Mark, colour and name of each kind of method."""

_HEIGHT = 3.9
_LABEL = 0.058  # the smallest distance between two labels, as a fraction of the height
_SIDE = 0.022  # the smallest distance between two marks, as a fraction of the width
_LEAST = 0.2  # the smallest width, where all costs are nearly equal
_LONGEST = 3.0  # times the median half-width of an interval


@dataclass(frozen=True)
class Plane:
    """A figure of gain against one cost, as an element of a page."""

    title: str
    alternative: str
    inline: str


@dataclass(frozen=True)
class _Axis:
    """A cost: the field of `MethodRow`, its title and label, and whether its axis is logarithmic."""

    field: str
    title: str
    label: str
    logarithmic: bool = False

    def value(self, row: MethodRow) -> float | None:
        cost: float | None = getattr(row, self.field)
        return cost


_AXES = (
    _Axis("train_ratio", "Training time", "training time, times the baseline's"),
    _Axis("trainable_parameters", "Trainable parameters", "trainable parameters", logarithmic=True),
    _Axis("latency_ratio", "Inference time", "inference time, times a plain model's"),
)


def is_placed(row: MethodRow) -> bool:
    """Whether a method has a place on the planes: it is the reference, a claim, a rival, or the random control."""
    return row.kind != "control" or row.name == "random_auxiliary"


def planes(rows: Sequence[MethodRow]) -> list[Plane]:
    """The methods of one condition, a plane for each cost that was measured; none where nothing can be placed.

    Args:
        rows: the methods of one condition (`m2pt.analysis.tables.methods.method_rows`).

    """
    drawable = []
    for axis in _AXES:
        known = [row for row in rows if is_placed(row) and axis.value(row) is not None]
        shown = [row for row in known if row.gain.mean is not None or row.kind == "reference"]
        if any(row.kind != "reference" for row in shown):
            slug = rows[0].condition.slug
            words = _words(shown, axis)
            with style.look():
                drawn = _draw(shown, axis)
                style.arrange(drawn)
                content = style.inline(style.svg(drawn), f"cost-{axis.field.replace('_', '-')}-{slug}", words)
            drawable.append(Plane(axis.title, words, content))
    return drawable


def _draw(rows: Sequence[MethodRow], axis: _Axis) -> Figure:
    drawn = figure(_HEIGHT)
    axes = drawn.subplots()
    axes.axhline(0, color=INK, linewidth=0.8, zorder=0)
    low, high = _limits(rows)
    places = apart([axis.value(row) or 0.0 for row in rows], logarithmic=axis.logarithmic)
    for row, x in zip(rows, places, strict=True):
        _mark(axes, row, x)
    axes.set_ylim(low, high)
    if axis.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
    axes.margins(x=0.06)
    _widen(axes, logarithmic=axis.logarithmic)
    _label(axes, [(row.gain.mean or 0.0, x, row) for row, x in zip(rows, places, strict=True)], low, high)
    axes.set_xlabel(axis.label)
    axes.set_ylabel("gain over no auxiliary, points")
    axes.grid()
    kinds = dict.fromkeys(row.kind for row in rows)
    handles = [Line2D([], [], marker=KINDS[kind][0], color=KINDS[kind][1], linestyle="none", label=kind) for kind in kinds]
    drawn.legend(handles=handles, loc="outside lower center", ncols=len(handles), columnspacing=1.0, handletextpad=0.2)
    return drawn


def _widen(axes: Axes, *, logarithmic: bool) -> None:
    """If costs are nearly equal, the axis still spans a fifth, so that noise does not look like a difference."""
    low, high = axes.get_xlim()
    if logarithmic and high / low < 1 + _LEAST:
        middle, half = math.sqrt(low * high), math.sqrt(1 + _LEAST)
        axes.set_xlim(middle / half, middle * half)
        axes.set_xticks([middle])
    elif not logarithmic and high - low < _LEAST:
        middle = (low + high) / 2
        axes.set_xlim(middle - _LEAST / 2, middle + _LEAST / 2)


def _mark(axes: Axes, row: MethodRow, x: float) -> None:
    marker, colour, _ = KINDS[row.kind]
    mean, half_width = row.gain.mean or 0.0, row.gain.half_width
    if half_width is not None:
        axes.vlines(x, mean - half_width, mean + half_width, color=colour, linewidth=1.1, alpha=0.55)
    axes.plot(x, mean, marker=marker, markersize=5.5, color=colour, markeredgecolor=PAPER, markeredgewidth=0.6, linestyle="none")
    if row.holds:
        style.star(axes, x, mean)


def _label(axes: Axes, points: Sequence[tuple[float, float, MethodRow]], low: float, high: float) -> None:
    """Names in a column on the right, in the order of the gains, each with a thin line to its point: none hides another."""
    step = _LABEL * (high - low)
    ordered = sorted(points, key=lambda point: point[:2])
    places = spread([mean for mean, _, _ in ordered], step, low + step / 2, high - step / 2)
    right = axes.get_yaxis_transform()
    for (mean, x, row), y in zip(ordered, places, strict=True):
        colour = KINDS[row.kind][1]
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3}
        axes.annotate(
            row.name,
            xy=(x, mean),
            xycoords="data",
            xytext=(1.04, y),
            textcoords=right,
            va="center",
            ha="left",
            fontsize=8,
            color=INK,
            annotation_clip=False,
            arrowprops=line,
        )


def apart(costs: Sequence[float], *, logarithmic: bool) -> list[float]:
    """The costs, moved a little if several are nearly equal, so that their marks are side by side around the true place."""
    scaled = [math.log10(cost) for cost in costs] if logarithmic else list(costs)
    step = _SIDE * max(max(scaled) - min(scaled), _LEAST)
    order = sorted(range(len(scaled)), key=scaled.__getitem__)
    moved = spread([scaled[index] for index in order], step, min(scaled) - len(scaled) * step, max(scaled) + len(scaled) * step)
    back = {index: 10**place if logarithmic else place for index, place in zip(order, moved, strict=True)}
    return [back[index] for index in range(len(scaled))]


def spread(wanted: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """The places nearest to the given ones (ascending; least squares) that are `step` apart and within `low` and `high`.

    If they do not all fit, they are as far apart as possible.
    """
    count = len(wanted)
    offsets = min(step, (high - low) / max(1, count - 1)) * np.arange(count)
    ascending = optimize.isotonic_regression(np.asarray(wanted) - offsets).x
    places: list[float] = (np.clip(ascending, low, high - offsets[-1]) + offsets).tolist()
    return places


def _limits(rows: Sequence[MethodRow]) -> tuple[float, float]:
    """The range of the gains. An interval far wider than the others is cut at the frame instead of shrinking the others."""
    widths = sorted(row.gain.half_width for row in rows if row.gain.half_width is not None)
    longest = _LONGEST * widths[len(widths) // 2] if widths else 0.0
    ends = [0.0]
    for row in rows:
        if row.gain.mean is not None:
            reach = min(row.gain.half_width or 0.0, longest)
            ends += [row.gain.mean - reach, row.gain.mean + reach]
    margin = max(0.3, 0.06 * (max(ends) - min(ends)))
    return min(ends) - margin, max(ends) + margin


def _thousands(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def _words(rows: Sequence[MethodRow], axis: _Axis) -> str:
    """The plane in words, for readers who do not see it."""
    values = [(row, axis.value(row) or 0.0) for row in rows]
    told = [
        f"{row.name} {_thousands(value) if axis.logarithmic else f'× {value:.2f}'}, {difference(row.gain) if row.gain.n else '0'}"
        f"{' (shown)' if row.holds else ''}"
        for row, value in values
    ]
    return f"Gain over no auxiliary in points against {axis.label}: " + "; ".join(told) + "."
