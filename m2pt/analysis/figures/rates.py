"""The sensitivity of each arm to its learning rate, one figure for each target of a condition."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from m2pt.analysis.figures import style
from m2pt.analysis.figures.gallery import Picture, picture
from m2pt.analysis.figures.style import INK, MODALITY, MUTED, figure
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.tables.tuning import Group, Sensitivity
from m2pt.config import RANDOM
from m2pt.runs.arms import LEARNING_RATE, value_at

SECTION = "tuning"
MOST_DRAWN = 8
"""Figures are drawn for the conditions in their order, as long as they have at most so many targets together."""

_MARKERS = "osD^vPX*<>ph"
"""One for each method of a figure, in turn."""


def draw(groups: Sequence[Group]) -> list[Picture]:
    """The figures that complete trials allow."""
    with style.look():
        return list(_pictures(groups))


def _pictures(groups: Sequence[Group]) -> Iterator[Picture]:
    count = 0
    for place, group in enumerate(groups):
        count += len(group.targets)
        if place and count > MOST_DRAWN:
            return
        for target, arms in group.targets.items():
            if any(arm.best for arm in arms):
                yield picture(SECTION, target, group.condition.slug, _words(target, arms), lines(arms))


def lines(arms: Sequence[Sensitivity]) -> Figure:
    """A line for each arm: its best mean validation score at each learning rate; the chosen rate has a large filled mark."""
    methods = list(dict.fromkeys(arm.arm.arm.method for arm in arms))
    drawn = figure(3.4 + 0.16 * len(arms))
    axes = drawn.subplots()
    handles = []
    for arm in arms:
        marker = _MARKERS[methods.index(arm.arm.arm.method) % len(_MARKERS)]
        colour = _colour(arm.arm.arm.auxiliary)
        rates = sorted(arm.best)
        scores = [score for rate in rates if (score := arm.best[rate].score) is not None]
        axes.plot(rates, scores, color=colour, marker=marker, markersize=3.5, markerfacecolor="none", linewidth=1.1)
        if (best := arm.arm.chosen) is not None and best.score is not None:
            axes.plot(value_at(best, LEARNING_RATE), best.score, color=colour, marker=marker, markersize=7, linestyle="none")
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=4, label=label(arm)))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("learning rate")
    axes.set_title("mean validation score, %", loc="left")
    axes.grid()
    drawn.legend(handles=handles, loc="outside lower center", ncols=2, columnspacing=1.2)
    return drawn


def label(arm: Sensitivity) -> str:
    """An arm where its target is known."""
    method = arm.arm.arm.method.replace("_", " ")
    auxiliary = arm.arm.arm.auxiliary
    return f"{method}, {auxiliary.replace('+', ', ')}" if auxiliary and auxiliary != RANDOM else method


def _colour(auxiliary: str) -> str:
    return MODALITY.get(auxiliary, MUTED if auxiliary else INK)


def _words(target: str, arms: Sequence[Sensitivity]) -> str:
    best = [
        f"{label(arm)} {value_at(arm.arm.chosen, LEARNING_RATE):g} ({rounded(arm.arm.chosen.score, 1)} %)"
        for arm in arms
        if arm.arm.chosen is not None and arm.arm.chosen.score is not None
    ]
    chosen = f" Chosen: {', '.join(best)}." if best else ""
    return f"Mean validation score on {target} by learning rate, one line for each arm.{chosen}"
