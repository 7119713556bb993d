"""Small line charts of one cell, written as SVG by hand: hundreds of pages take as long as a few figures of matplotlib.

Colours are the page's own (`templates/style.css`), so that the charts follow it into dark mode and onto paper; every line also
differs by its dashes or by the words at its end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

WIDTH, HEIGHT = 340.0, 190.0

_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 18.0, 22.0, 34.0
_LETTERS = 9.0
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_STOPS = ((0x2F, 0x74, 0xD0), (0x9A, 0x63, 0xC4), (0xDC, 0x66, 0x2C))


@dataclass(frozen=True)
class Line:
    """One line of a chart: its points, an interval around each of them where there is one, and how it is drawn.

    `look` is one of the classes of the style sheet (`own`, `baseline`, `random`) or a colour; `end` is written where it ends.
    """

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    half_widths: Sequence[float | None] = ()
    look: str = "own"
    end: str = ""


def depth_colour(depth: int, depths: Sequence[int]) -> str:
    """The colour of a block, from blue (first) to orange (last): seen on white and on black, and with colour blindness."""
    return _depth_colours(tuple(depths))[depth]


@cache
def _depth_colours(depths: tuple[int, ...]) -> dict[int, str]:
    return {depth: _mixed(place, len(depths)) for place, depth in enumerate(depths)}


def _mixed(number: int, count: int) -> str:
    place = number / max(1, count - 1) * (len(_STOPS) - 1)
    first = min(int(place), len(_STOPS) - 2)
    mixed = [round(a + (place - first) * (b - a)) for a, b in zip(_STOPS[first], _STOPS[first + 1], strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def chart(title: str, lines: Sequence[Line], alternative: str, x_label: str = "epoch", from_zero: bool = False) -> str:
    """One chart as an SVG element; empty text without a point to draw.

    Args:
        title: what the vertical axis shows.
        lines: the lines, the most important last (on top).
        alternative: the chart in words, for readers who do not see it.
        x_label: what the horizontal axis shows.
        from_zero: whether the vertical axis starts at 0.

    """
    xs = [x for line in lines for x in line.xs]
    ends = [end for line in lines for end in _ends(line)]
    if not xs or not ends:
        return ""
    horizontal = _Axis(min(xs), max(xs), _LEFT, WIDTH - _RIGHT)
    vertical = _Axis(0.0 if from_zero else min(ends), max(ends), HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{escape(alternative)}">',
        f'<text class="title" x="{_LEFT:.0f}" y="13">{escape(title)}</text>',
        *_grid(horizontal, vertical),
        f'<text x="{WIDTH - _RIGHT:.0f}" y="{HEIGHT - 4:.0f}" text-anchor="end">{escape(x_label)}</text>',
        *(_band(line, horizontal, vertical) for line in lines),
        *(_line(line, horizontal, vertical) for line in lines),
        *_names(lines, horizontal, vertical),
        "</svg>",
    ]
    return "".join(parts)


@dataclass(frozen=True)
class _Axis:
    """A range of values and the range of the drawing that shows it."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """The place of a value in the drawing; the middle if all values are the same."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)

    def places(self, values: Sequence[float]) -> list[float]:
        """The places of several values."""
        if self.high <= self.low:
            return [self.place(value) for value in values]
        span, length = self.high - self.low, self.end - self.start
        return [self.start + (value - self.low) / span * length for value in values]

    def ticks(self, most: int, whole: bool = False) -> list[float]:
        """Round values within the range, at most `most` of them."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        size = 10 ** math.floor(math.log10(span / most))
        step = next(size * factor for factor in (*_STEPS, 20.0) if span / (size * factor) <= most)
        step = max(1.0, math.ceil(step)) if whole else step
        first = math.ceil(self.low / step - 1e-9)
        return [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _ends(line: Line) -> list[float]:
    """All heights that a line and its band reach."""
    widths = [width or 0.0 for width in line.half_widths] or [0.0] * len(line.ys)
    return [end for y, width in zip(line.ys, widths, strict=True) for end in (y - width, y + width)]


def _grid(horizontal: _Axis, vertical: _Axis) -> list[str]:
    parts = []
    ticks = vertical.ticks(4)
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)) if len(ticks) > 1 else 2
    digits += len(ticks) > 1 and abs(round(ticks[1] - ticks[0], digits) - (ticks[1] - ticks[0])) > 1e-9
    for tick in ticks:
        y = vertical.place(tick)
        parts.append(f'<path d="M{_LEFT:.0f} {y:.1f}H{WIDTH - _RIGHT:.0f}"/>')
        parts.append(f'<text x="{_LEFT - 5:.0f}" y="{y + 3.5:.1f}" text-anchor="end">{tick:.{digits}f}</text>')
    for tick in horizontal.ticks(6, whole=True):
        x = horizontal.place(tick)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 15:.0f}" text-anchor="middle">{tick:.0f}</text>')
    return parts


def _band(line: Line, horizontal: _Axis, vertical: _Axis) -> str:
    if not any(width for width in line.half_widths):
        return ""
    rows = list(zip(line.xs, line.ys, (width or 0.0 for width in line.half_widths), strict=True))
    top = [f"{horizontal.place(x):.1f} {vertical.place(y + width):.1f}" for x, y, width in rows]
    bottom = [f"{horizontal.place(x):.1f} {vertical.place(y - width):.1f}" for x, y, width in reversed(rows)]
    return f'<path class="band {line.look}" d="M{"L".join([*top, *bottom])}Z"/>'


def _names(lines: Sequence[Line], horizontal: _Axis, vertical: _Axis) -> list[str]:
    """The words at the ends of lines, pushed apart where they would cover each other."""
    ends = sorted(
        (vertical.place(line.ys[-1]), horizontal.place(line.xs[-1]), line.end) for line in lines if line.end and line.ys
    )
    parts, last = [], -math.inf
    for y, x, words in ends:
        last = max(y, last + _LETTERS)
        parts.append(f'<text x="{x + 4:.0f}" y="{last + 3.5:.1f}">{escape(words)}</text>')
    return parts


def _line(line: Line, horizontal: _Axis, vertical: _Axis) -> str:
    ends = zip(horizontal.places(line.xs), vertical.places(line.ys), strict=True)
    places = [f"{x:.1f} {y:.1f}" for x, y in ends]
    if not places:
        return ""
    look = f'class="line" style="stroke:{line.look}"' if line.look.startswith("#") else f'class="line {line.look}"'
    drawn = places if len(places) > 1 else [places[0], f"{horizontal.place(line.xs[0]) + 0.1:.1f} {places[0].split()[1]}"]
    return f'<path {look} d="M{"L".join(drawn)}"><title>{escape(line.label)}</title></path>'
