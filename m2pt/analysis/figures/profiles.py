"""Performance profiles: the share of runs that gain more than so many points, one line for each method."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from m2pt.analysis.figures import style
from m2pt.analysis.figures.gallery import Picture, picture
from m2pt.analysis.figures.style import DEPTHS, GRID, INK, LineStyle
from m2pt.analysis.numbers.profiles import MethodProfiles, Profile
from m2pt.analysis.tables.phrases import counted
from m2pt.methods import METHODS

MOST_LINES = 8
"""With more lines nobody can tell them apart: the methods of the main question come first, then the others in their order."""

_CONTROL: tuple[LineStyle, ...] = ((0, (1.2, 1.2)), (0, (4.0, 1.6)), (0, (4.0, 1.6, 1.2, 1.6)))


def draw(items: Sequence[MethodProfiles]) -> list[Picture]:
    """One figure for each condition, named and described."""
    with style.look():
        return [picture("profiles", "", item.condition.slug, _words(item), profiles(item)) for item in items]


def shown(item: MethodProfiles) -> list[Profile]:
    """The profiles that have a line."""
    return sorted(item.profiles, key=lambda profile: profile.method != "pathway")[:MOST_LINES]


def profiles(item: MethodProfiles) -> Figure:
    """A falling step for each method with its band, solid lines for methods and broken ones for controls."""
    lines = shown(item)
    drawn = style.figure(3.1)
    axes = drawn.subplots()
    axes.axvline(0, color=GRID, linewidth=1.0, zorder=0)
    thresholds = np.array(item.thresholds)
    controls = 0
    for place, profile in enumerate(lines):
        colour = INK if profile.method == "pathway" else DEPTHS(place / max(1, len(lines) - 1))
        is_control = METHODS[profile.method].kind == "control"
        line = _CONTROL[controls % len(_CONTROL)] if is_control else "solid"
        controls += is_control
        label = profile.method.replace("_", " ")
        axes.step(thresholds, profile.heights, where="post", color=colour, linestyle=line, label=label)
        if profile.low is not None and profile.high is not None:
            axes.fill_between(thresholds, profile.low, profile.high, step="post", color=colour, alpha=0.13, linewidth=0)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(thresholds[0], thresholds[-1])
    axes.set_xlabel("gain over no auxiliary, points")
    axes.set_ylabel("share of runs that gain more")
    axes.grid(axis="y")
    axes.legend(loc="lower left")
    return drawn


def _words(item: MethodProfiles) -> str:
    """What the figure shows, for those who do not see it."""
    shares = ", ".join(f"{profile.method} {100 * profile.gains.value:.0f} %" for profile in shown(item))
    return f"Performance profiles over {counted(len(item.draws), 'target')}. Share of runs that gain over no auxiliary: {shares}."
