"""All figures of a study, drawn, named and described."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from m2pt.analysis.figures import scores, style, training
from m2pt.analysis.tables.headline import difference
from m2pt.analysis.tables.summaries import Arm, Summary


@dataclass(frozen=True)
class Picture:
    """A figure as files, and what it says for those who do not see it."""

    name: str
    section: str
    condition: str
    title: str
    alternative: str
    png: bytes
    svg: bytes

    @property
    def inline(self) -> str:
        """The figure as an element of an HTML page."""
        return style.inline(self.svg, self.name, self.alternative)


def draw(summary: Summary, curves: pd.DataFrame, scales: pd.DataFrame) -> list[Picture]:
    """The figures of one condition that its complete runs allow; `curves` and `scales` are of `numbers.trajectories`."""
    with style.look():
        return list(_pictures(summary, summary.condition.rows(curves), summary.condition.rows(scales)))


def _pictures(summary: Summary, curves: pd.DataFrame, scales: pd.DataFrame) -> Iterator[Picture]:
    slug = summary.condition.slug
    if summary.auxiliaries and any(item.estimate.n for item in summary.comparisons):
        yield picture("matrix", "", slug, _matrix_words(summary), scores.matrix(summary))
    limits = scores.gain_limits(summary)
    for target in summary.targets:
        arms = [arm for arm in summary.arms if arm.target == target]
        if any(arm.mean_test.n for arm in arms):
            yield picture("accuracy", target, slug, _accuracy_words(target, arms), scores.accuracy(arms))
        items = [item for item in summary.comparisons if item.target == target]
        if any(item.estimate.n for item in items):
            words = f"Gains on {target} with their intervals; the numbers are in the tables of gains."
            yield picture("gains", target, slug, words, scores.gains(items, arms, limits))
        rows = scales[scales["target"] == target]
        rows = rows[(rows["method"] != "pathway") | rows["auxiliary"].isin([arm.auxiliary for arm in arms if arm.role == "pair"])]
        if rows["method"].isin(("pathway", "random_auxiliary")).any():
            yield picture("scales", target, slug, _scale_words(target, rows), training.scales(rows))
        rows = curves[curves["target"] == target]
        if len(rows):
            count = rows["epoch"].max()
            words = f"Training loss and validation {arms[0].measure} on {target} over {count} epochs, one line per auxiliary."
            yield picture("curves", target, slug, words, training.curves(rows, arms))


def picture(section: str, target: str, condition: str, alternative: str, drawn: Figure) -> Picture:
    """A finished figure with its name; within `style.look`."""
    style.arrange(drawn)
    name = "-".join(part for part in (section, target, condition) if part)
    return Picture(name, section, condition, target, alternative, style.png(drawn), style.svg(drawn))


def _matrix_words(summary: Summary) -> str:
    over = [f"{item.target} from {item.auxiliary} {difference(item.estimate)}" for item in summary.select("random", "pair")]
    return "Matrix of gains in points; over random weights: " + "; ".join(over) + "."


def _accuracy_words(target: str, arms: Sequence[Arm]) -> str:
    means = [f"{arm.label} {arm.mean_test.mean:.1f} %" for arm in arms if arm.mean_test.mean is not None]
    return f"Test {arms[0].measure} on {target}, mean over seeds: " + ", ".join(means) + "."


def _scale_words(target: str, rows: pd.DataFrame) -> str:
    shown = "pathway" if (rows["method"] == "pathway").any() else "random_auxiliary"
    last = rows[(rows["epoch"] == rows["epoch"].max()) & (rows["method"] == shown)]
    ends = [f"{layer} {values.mean():.3f}" for layer, values in last.groupby("layer", sort=False)["scale"]]
    of = "" if shown == "pathway" else " of random weights"
    return f"Scales{of} on {target} over the epochs, per layer type and depth; mean size at the end: " + ", ".join(ends) + "."
