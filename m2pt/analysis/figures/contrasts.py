"""The parts of a study as one figure: what each change does to the score, and what remains of the gain over random weights."""

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m2pt.analysis.figures import style
from m2pt.analysis.figures.gallery import Picture, picture
from m2pt.analysis.figures.style import INK, MODALITY, MUTED, figure, label_rows
from m2pt.analysis.numbers.contrasts import Ablations, Contrast, Family
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.tables.headline import difference

_REFERENCE = "reference"


def draw(ablations: Ablations) -> list[Picture]:
    """A figure for the pathway, if there are parts that change it; the other methods have tables only."""
    with style.look():
        return list(_pictures(ablations.families))


def _pictures(families: Sequence[Family]) -> Iterator[Picture]:
    for family in families:
        if family.method == "pathway" and any(row.overall.n for row in family.rows):
            yield picture("ablations", "", family.method, _words(family), _forest(family))


def _forest(family: Family) -> Figure:
    """One row for each part: on the left the difference from the reference, on the right the gain over its own random control.

    A star marks a difference that is shown; the gains are not tested.
    """
    drawn = figure(0.24 * (len(family.rows) + 1) + 1.0)
    left, right = drawn.subplots(1, 2, sharey=True)
    colour = MODALITY["image"]
    for axes, title in ((left, "from the reference"), (right, "over random weights")):
        axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
        axes.set_title(title)
        axes.grid(axis="x")
    _interval(right, 0, family.over_random, INK)
    for place, row in enumerate(family.rows, 1):
        _interval(right, place, row.over_random, colour)
        if row.change.keeps_baselines:
            _interval(left, place, row.overall, colour)
            if row.holds and row.overall.mean is not None:
                style.star(left, row.overall.mean, place)
        elif row.overall.mean is not None:
            left.annotate(
                difference(row.overall) + ("*" if row.holds else ""),
                xy=(0.5, place),
                xycoords=left.get_yaxis_transform(),
                ha="center",
                va="center",
                fontsize=7,
                color=MUTED,
            )
    label_rows(left, [_REFERENCE, *(row.change.part for row in family.rows)])
    right.tick_params(axis="y", length=0)
    right.spines["left"].set_visible(False)
    drawn.supxlabel("points, over all targets", fontsize=9)
    return drawn


def _interval(axes: Axes, y: float, value: Estimate, colour: str) -> None:
    if value.mean is not None:
        if value.half_width is not None:
            axes.hlines(y, value.mean - value.half_width, value.mean + value.half_width, color=colour, linewidth=1.6)
        axes.plot(value.mean, y, marker="o", markersize=4.5, color=colour, linestyle="none")


def _words(family: Family) -> str:
    rows = "; ".join(_row_words(row) for row in family.rows)
    return f"What each part changes in the score of {family.method}, in points: {rows}."


def _row_words(row: Contrast) -> str:
    random = f", over random weights {difference(row.over_random)}" if row.over_random.n else ""
    return f"{row.change.part} {difference(row.overall)}{' (shown)' if row.holds else ''}{random}"
