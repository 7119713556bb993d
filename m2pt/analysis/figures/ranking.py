"""Critical-difference diagrams: mean ranks of methods, and which of them are not shown to differ."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from m2pt.analysis.figures import style
from m2pt.analysis.figures.gallery import Picture, picture
from m2pt.analysis.figures.style import INK, MUTED, PAPER, POSITIVE
from m2pt.analysis.numbers.ranking import MethodRanking, Ranking
from m2pt.analysis.numbers.rounding import rounded
from m2pt.methods import METHODS


def draw(rankings: Sequence[MethodRanking]) -> list[Picture]:
    """One diagram for each ranking, named and described."""
    with style.look():
        return [_picture(item) for item in rankings]


def diagram(ranking: Ranking, groups: Sequence[Sequence[str]]) -> Figure:
    """A dot at each method's mean rank, the best at the top, hollow for controls; a line joins each group of methods.

    The bar on top is as long as the critical difference (Demšar's diagram, turned so that many names fit a narrow page).
    """
    names = list(ranking.ranks)
    drawn = style.figure(0.24 * len(names) + 1.0)
    axes = drawn.subplots()
    for row, name in enumerate(names):
        control = METHODS[name].kind == "control"
        axes.hlines(row, 1, ranking.ranks[name], color=MUTED, linewidth=0.6, zorder=1)
        face = PAPER if control else POSITIVE
        axes.plot(ranking.ranks[name], row, marker="o", markersize=5.5, color=POSITIVE, markerfacecolor=face, linestyle="none")
    _groups(axes, groups, names)
    style.label_rows(axes, [name.replace("_", " ") for name in names])
    reach = min(ranking.critical_difference, len(names) - 1)
    axes.hlines(-1.0, 1, 1 + reach, color=INK, linewidth=1.6)
    words = f"critical difference {rounded(ranking.critical_difference, 2)}"
    words += "" if ranking.can_separate else f": more than all {len(names)} ranks are apart"
    axes.text(1, -1.3, words, ha="left", va="bottom", fontsize=8)
    axes.set_ylim(len(names) - 0.4, -2.3)
    axes.set_xlim(0.8, len(names) + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("mean rank over targets (1 is best)")
    axes.grid(axis="x")
    return drawn


def _groups(axes: Axes, groups: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """A vertical line along the rows of each group, to the right of the frame."""
    for place, group in enumerate(groups):
        rows = [names.index(name) for name in group]
        x = 1.02 + 0.025 * place
        axes.plot(
            [x, x],
            [min(rows) - 0.2, max(rows) + 0.2],
            color=INK,
            linewidth=2.2,
            transform=axes.get_yaxis_transform(),
            clip_on=False,
        )


def _picture(item: MethodRanking) -> Picture:
    return picture("ranking", "", item.condition.slug, _words(item), diagram(item.ranking, item.groups))


def _words(item: MethodRanking) -> str:
    ranking = item.ranking
    ranks = ", ".join(f"{name} {rounded(value, 2)}" for name, value in ranking.ranks.items())
    groups = "; ".join(f"{group[0]} to {group[-1]}" for group in item.groups) or "none"
    return (
        f"Critical-difference diagram over {ranking.cases} targets. Mean ranks, best first: {ranks}. "
        f"Critical difference {rounded(ranking.critical_difference, 2)}. Not shown to differ: {groups}."
    )
