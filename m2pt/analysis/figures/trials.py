"""The trials of a search as one small drawing, written as SVG by hand in the page's own colours."""

from m2pt.analysis.tables.search import HEIGHT, WIDTH, Picture, Row


def drawing(picture: Picture) -> str:
    """A dot for each trial at its validation score, the chosen one filled, and a line for the best so far."""
    first, last = picture.dots[0], picture.dots[-1]
    return "".join([
        f'<svg viewBox="-62 -14 670 200" role="img" aria-label="{words(picture)}" font-size="20" fill="var(--muted)">',
        *(f'<line x1="0" y1="{y}" x2="{WIDTH}" y2="{y}" stroke="var(--line)"/>' for y in (0, HEIGHT)),
        f'<text x="-6" y="7" text-anchor="end">{picture.high:.1f}</text>',
        f'<text x="-6" y="157" text-anchor="end">{picture.low:.1f}</text>',
        f'<path d="{picture.path}" fill="none" stroke="var(--muted)" stroke-width="2"/>',
        *(_dot(*dot) for dot in picture.dots),
        *(f'<text x="{x}" y="178" text-anchor="middle">trial {row.trial.number}</text>' for x, _, row in (first, last)),
        "</svg>",
    ])  # fmt: skip


def words(picture: Picture) -> str:
    """The drawing for those who do not see it."""
    return (
        f"Mean validation score of {len(picture.dots)} trials, from {picture.low:.2f} to {picture.high:.2f}; the table below has "
        "every value."
    )


def _dot(x: float, y: float, row: Row) -> str:
    radius, fill = (7, "var(--accent)") if row.is_chosen else (4, "var(--paper)")
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="var(--accent)" stroke-width="2"/>'
