"""Scores by number of labels, one figure for each target of a curve."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from m2pt.analysis.figures import style
from m2pt.analysis.figures.gallery import Picture, picture
from m2pt.analysis.figures.style import INK, MODALITY, MUTED, figure
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.tables.labels import ALL, LabelCurve, Line
from m2pt.methods import METHODS

SECTION = "labels"

_COLOURS = (MODALITY["image"], MODALITY["audio"], MODALITY["point"], MODALITY["video"])
_MARKERS = "osD^vPX*<>ph"


def draw(curves: Sequence[LabelCurve]) -> list[Picture]:
    """The figures of the first curve, which is the reference's."""
    with style.look():
        return list(_pictures(curves[:1]))


def _pictures(curves: Sequence[LabelCurve]) -> Iterator[Picture]:
    for curve in curves:
        for target, lines in curve.targets.items():
            if any(score.n for line in lines for score in line.scores.values()):
                drawn = chart(lines, curve.labels)
                made = picture(SECTION, target, curve.condition.slug, _words(target, lines), drawn)
                yield replace(made, title=target or "all targets")


def chart(lines: Sequence[Line], labels: Sequence[int]) -> Figure:
    """A line for each method, with the 95 % interval of each mean; the baseline is black, controls are grey."""
    drawn = figure(3.2 + 0.1 * len(lines))
    axes = drawn.subplots()
    claims = [line.method for line in lines if METHODS[line.method].kind not in ("reference", "control")]
    for place, line in enumerate(lines):
        kind = METHODS[line.method].kind
        colour = INK if kind == "reference" else MUTED if kind == "control" else _COLOURS[claims.index(line.method) % 4]
        points = [(number, score) for number, score in line.scores.items() if score.mean is not None]
        axes.errorbar(
            [number for number, _ in points],
            [score.mean or 0.0 for _, score in points],
            yerr=[score.half_width or 0.0 for _, score in points],
            color=colour,
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=4,
            linewidth=1.2,
            elinewidth=0.8,
            label=line.method.replace("_", " "),
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(labels)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("labels")
    axes.set_title("test score, %", loc="left")
    axes.grid()
    drawn.legend(loc="outside lower center", ncols=2, columnspacing=1.2)
    return drawn


def _words(target: str, lines: Sequence[Line]) -> str:
    where = "the mean over targets" if target == ALL else target
    said = [
        f"{line.method} "
        + ", ".join(
            f"{rounded(score.mean, 1)} % with {number}" for number, score in line.scores.items() if score.mean is not None
        )
        for line in lines
    ]
    return f"Test score on {where} by number of labels: {'; '.join(said)}."
