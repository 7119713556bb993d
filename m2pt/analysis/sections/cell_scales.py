"""The scales of one cell: their sizes at the end of training, and how they came about."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from m2pt.analysis.content import Block, Column, Entry, Figure, Gallery, Group, Heading, Section, Span, Table, Text, plain, prose
from m2pt.analysis.figures.cells import Line, chart, depth_colour
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.sections.wording import capital, number
from m2pt.analysis.tables.shading import intensity
from m2pt.config import ALL_LAYERS

_SIZES = {"scale": "mean |λ|", "effective_size": "effective size"}


class _Size(NamedTuple):
    """The scales of one block's layers of a type, after an epoch."""

    source: str
    epoch: int
    layer: str
    depth: int
    scale: float
    effective_size: float


def section(rows: pd.DataFrame | None) -> Section | None:
    """None for a cell without scales. `rows` are those of `m2pt.analysis.numbers.trajectories.scales`."""
    if rows is None:
        return None
    sources: dict[str, list[_Size]] = {}
    for row in zip(*(rows[name].tolist() for name in _Size._fields), strict=True):
        sources.setdefault(str(row[0]), []).append(_Size(*row))
    groups = sources if len(sources) > 1 else {"": next(iter(sources.values()))}
    return Section("Scales", "scales", tuple(block for source, mine in groups.items() for block in _of_source(source, mine)))


def _of_source(source: str, rows: Sequence[_Size]) -> list[Block]:
    """The scales of one auxiliary of a cell; its name is empty where it is the only one."""
    of = f" of {source}" if source else ""
    depths = sorted({row.depth for row in rows})
    blocks: list[Block] = [_final(rows, depths, of)]
    for words, charts in _charts(rows, depths):
        keys = [
            span
            for depth in depths
            for span in (*plain(" "), Span("", "key", title=depth_colour(depth, depths)), *plain(f" {depth}"))
        ]
        caption: Text = (*plain("A chart for each layer type, a line for each block:"), *keys, *plain("."))
        blocks += [Heading(plain(f"{capital(words)}{of} over training")), Gallery(tuple(charts), caption, "small")]
    return blocks


def _final(rows: Sequence[_Size], depths: Sequence[int], of: str) -> Table:
    """The mean sizes at the end of training by depth and layer type."""
    end = max(row.epoch for row in rows)
    sizes = {(row.depth, row.layer): row for row in rows if row.epoch == end}
    layers = [layer for layer in ALL_LAYERS if any(name == layer for _, name in sizes)]
    largest = max(row.scale for row in sizes.values()) or 1.0
    lines = tuple(
        (
            Entry(plain(depth), str(depth), key=depth_colour(depth, depths)),
            *(_size(sizes.get((depth, layer)), largest) for layer in layers),
        )
        for depth in depths
    )
    columns = (Column(plain("block"), head=True), *(Column(plain(layer)) for layer in layers))
    words = f"At the end of training, mean over seeds: |λ|{of} and, below it, the effective size |λ|·‖W~aux~‖ ∕ ‖W‖"
    return Table(f"Scales{of} at the end of training", prose(words), columns, (Group(lines),), "matrix")


def _size(row: _Size | None, largest: float) -> Entry:
    if row is None:
        return Entry(empty=True)
    effective = None if math.isnan(row.effective_size) else row.effective_size
    shade = intensity(row.scale, largest)
    return Entry(plain(rounded(row.scale, 3)), row.scale, lines=(plain(number(effective)),), shade=shade)


def _charts(rows: Sequence[_Size], depths: Sequence[int]) -> list[tuple[str, list[Figure]]]:
    """A chart for each layer type, by what it shows: mean size and effective size, a line per block."""
    series: dict[tuple[str, int], list[_Size]] = {}
    for row in rows:
        series.setdefault((row.layer, row.depth), []).append(row)
    layers = [layer for layer in ALL_LAYERS if any(key[0] == layer for key in series)]
    drawn = []
    for name, words in _SIZES.items():
        lines = {layer: [_line(depth, depths, series.get((layer, depth), []), name) for depth in depths] for layer in layers}
        charts = [_chart(words, layer, mine) for layer, mine in lines.items()]
        drawn.append((words, [figure for figure in charts if figure.svg]))
    return [(words, charts) for words, charts in drawn if charts]


def _chart(words: str, layer: str, lines: Sequence[Line]) -> Figure:
    ends = ", ".join(f"{line.label} {rounded(line.ys[-1], 3)}" for line in lines if line.ys)
    said = f"{words} of {layer} over the epochs; at the end: {ends}"
    return Figure(said, svg=chart(layer, lines, said, from_zero=True))


def _line(depth: int, depths: Sequence[int], points: Sequence[_Size], name: str) -> Line:
    known = sorted((point.epoch, value) for point in points if not math.isnan(value := getattr(point, name)))
    colour = depth_colour(depth, depths)
    return Line(f"block {depth}", [x for x, _ in known], [y for _, y in known], look=colour, end=str(depth))
