"""One look for all figures: colours that colour-blind readers can distinguish, and files that are equal byte for byte."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from m2pt.analysis.numbers.cells import Cell
from m2pt.config import ALL_LAYERS
from m2pt.config.base import BUILT_IN_MODALITIES
from m2pt.modalities.registry import SPECS

INK, MUTED, GRID, PAPER = "#1b1f24", "#646b75", "#dcdfe3", "#fefefe"

POSITIVE, NEGATIVE = "#0072b2", "#d55e00"
MODALITY = {name: spec.colour for name, spec in SPECS.items()}

# What `inline` puts in their place, so that an embedded figure follows the page into dark mode.
_PAGE = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--line)", PAPER: "var(--paper)"}
_PAGE |= {MODALITY[name]: f"var(--{name})" for name in BUILT_IN_MODALITIES}

# Of nearly constant lightness, so that every line is seen on white and on black; blue to orange survives colour blindness.
DEPTHS = LinearSegmentedColormap.from_list("depths", ["#2f74d0", "#9a63c4", "#dc662c"])

WIDTH = 4.2  # inches: fills a phone without shrinking the letters

_PNG_DPI = 140

LineStyle = Literal["solid"] | tuple[float, Sequence[float]]

# Typed loosely: matplotlib declares each of its several hundred keys as a literal.
_RC: Any = {
    "svg.hashsalt": "m2pt",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "figure.facecolor": "#ffffff",
    "savefig.facecolor": "#ffffff",
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
}


@contextmanager
def look() -> Iterator[None]:
    """Draw and save within this, whatever the user's matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches, that arranges its axes by itself."""
    return Figure(figsize=(width, height), layout="constrained")


def arrange(drawn: Figure) -> None:
    """Compute the layout once: it is costly, and every later drawing would compute it again."""
    engine = drawn.get_layout_engine()
    if engine is not None:
        engine.execute(drawn)
        drawn.set_layout_engine("none")


# `savefig` draws everything once more in vain, for a layout that is already arranged: canvases write what they draw.


def png(drawn: Figure) -> bytes:
    """An arranged figure as PNG, without a date or a version in it."""
    buffer, usual = io.BytesIO(), drawn.dpi
    drawn.dpi = _PNG_DPI
    canvas: Any = FigureCanvasAgg(drawn)  # its methods that write have no types
    canvas.print_png(buffer, metadata={"Software": None})
    drawn.dpi = usual
    return buffer.getvalue()


def svg(drawn: Figure) -> bytes:
    """An arranged figure as SVG, without a date or a version in it."""
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasSVG(drawn)
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def inline(document: bytes, prefix: str, alternative: str) -> str:
    """An SVG of ours as an element of an HTML page: its own ids, the page's colours and letters, a text alternative.

    `prefix` must differ between the figures of a page.
    """
    text = document.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'xlink:href="#', f'href="#{prefix}-', text)
    text = text.replace("fill: #ffffff", "fill: none").replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")
    for stand_in, colour in _PAGE.items():
        text = text.replace(stand_in, colour)
    label = alternative.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    own = rf'<svg role="img" aria-label="{label}" style="--points: \2" \1'
    return re.sub(r'<svg ([^>]*?)width="([\d.]+)pt" height="[\d.]+pt"', own, text, count=1)


def label_rows(axes: Axes, labels: Sequence[str]) -> None:
    """One row per label, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def star(axes: Axes, x: float, y: float) -> None:
    """A star above a difference that its family shows, as in the tables."""
    axes.annotate("*", xy=(x, y), xytext=(0, 1), textcoords="offset points", ha="center", va="bottom", fontsize=10, color=INK)


def cell_colour(cell: Cell) -> str:
    """The colour of a cell: that of its auxiliary's modality; ink for no auxiliary, grey for random weights."""
    return MODALITY.get(cell.auxiliary, INK if cell.role == "baseline" else MUTED)


def cell_line(cell: Cell) -> LineStyle:
    """The line style of a cell: controls are broken."""
    styles: dict[str, LineStyle] = {"random": (0, (1.2, 1.2)), "lineage": (0, (4.0, 1.6)), "apart": (0, (4.0, 1.2, 1.2, 1.2))}
    return styles.get(cell.role or "", "solid")


def layers_in_order(layers: set[str]) -> list[str]:
    """Layer types in the order of the forward pass."""
    return [layer for layer in ALL_LAYERS if layer in layers]
