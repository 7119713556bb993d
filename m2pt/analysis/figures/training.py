"""Figures over training time: the scales per layer type and depth, and the curves with their bands."""

from collections.abc import Collection, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from m2pt.analysis.figures.style import DEPTHS, INK, LineStyle, cell_colour, cell_line, figure, layers_in_order
from m2pt.analysis.numbers.cells import Cell
from m2pt.analysis.numbers.trajectories import ByCell

_SERIES = {"scale": "mean |λ|", "effective_size": "effective size"}
_STYLES: dict[str, LineStyle] = {"pathway": "solid", "random_auxiliary": (0, (1.0, 1.2))}
_MOST_IN_LEGEND = 6


def scales(means: pd.DataFrame) -> Figure:
    """One target's scales: a row per layer type, a line per depth; pairs solid, the random control dotted.

    Args:
        means: rows of `m2pt.analysis.numbers.trajectories.scales` of one target and condition, with the `method` of each.

    """
    layers = layers_in_order(set(means["layer"]))
    depths = sorted(int(depth) for depth in set(means["depth"]))
    drawn = figure(1.15 * len(layers) + 1.1)
    panels = drawn.subplots(len(layers), 2, sharex=True, sharey="col", squeeze=False)
    for (left, right), layer in zip(panels, layers, strict=True):
        rows = means[means["layer"] == layer]
        for axes, series in zip((left, right), _SERIES, strict=True):
            for method, style in _STYLES.items():
                _depth_lines(axes, rows[rows["method"] == method], series, depths, style)
            axes.grid()
        left.set_ylabel(layer)
    for axes, title in zip(panels[0], _SERIES.values(), strict=True):
        axes.set_title(title)
        axes.set_ylim(bottom=0)  # shared by the column; only now, since it ends the fitting to what is drawn
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    methods = set(means["method"])
    drawn.legend(handles=_depth_legend(depths, methods), loc="outside lower center", ncols=4, handlelength=1.6, columnspacing=1.2)
    return drawn


def _depth_lines(axes: Axes, rows: pd.DataFrame, series: str, depths: Sequence[int], style: LineStyle) -> None:
    averaged = rows.groupby(["depth", "epoch"])[series].mean().unstack("epoch")
    for depth, line in averaged.iterrows():
        axes.plot(line.index, line.to_numpy(), color=_depth_colour(int(str(depth)), depths), linestyle=style)


def _depth_colour(depth: int, depths: Sequence[int]) -> str:
    return to_hex(DEPTHS(depths.index(depth) / max(1, len(depths) - 1)))


def _depth_legend(depths: Sequence[int], methods: Collection[str]) -> list[Line2D]:
    step = -(-len(depths) // _MOST_IN_LEGEND)
    shown = [*depths[:-1:step], depths[-1]]
    handles = [Line2D([], [], color=_depth_colour(depth, depths), label=f"block {depth}") for depth in shown]
    words = {"pathway": "other modalities", "random_auxiliary": "random weights"}
    styles = {words[method]: style for method, style in _STYLES.items() if method in methods}
    return handles + [Line2D([], [], color=INK, linestyle=style, label=label) for label, style in styles.items()]


def curves(means: ByCell, cells: Sequence[Cell]) -> Figure:
    """One target's training loss and validation score: a line for each cell, with its interval over seeds as a band.

    Args:
        means: the curves of the cells (`m2pt.analysis.numbers.trajectories.curves`).
        cells: the cells of the target, in the order of the legend.

    """
    drawn = figure(4.6)
    panels = drawn.subplots(2, 1, sharex=True)
    titles = {"train/loss": "training loss", f"val/{cells[0].metric}": f"validation {cells[0].measure}, %"}
    for axes, (metric, title) in zip(panels, titles.items(), strict=True):
        for cell in (cell for cell in cells if cell.key in means):
            rows = means[cell.key][means[cell.key]["metric"] == metric]
            if len(rows):
                colour, low, high = cell_colour(cell), rows["mean"] - rows["half_width"], rows["mean"] + rows["half_width"]
                axes.fill_between(rows["epoch"], low, high, facecolor=colour, alpha=0.1, linewidth=0)
                axes.plot(rows["epoch"], rows["mean"], color=colour, linestyle=cell_line(cell))
        axes.set_title(title, loc="left")
        axes.grid()
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    handles = [Line2D([], [], color=cell_colour(cell), linestyle=cell_line(cell), label=cell.label) for cell in cells]
    drawn.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.2)
    return drawn
