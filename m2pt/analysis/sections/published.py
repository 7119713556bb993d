"""The study in the shape of the paper's tables, with the paper's numbers."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Entry, Group, Paragraph, Section, Table, Text, plain, prose
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.paper.entries import Row
from m2pt.analysis.paper.gains import CostRatio
from m2pt.analysis.paper.tables import PaperTable
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import ABOUT_COSTS
from m2pt.analysis.sections.wording import of_planned, times
from m2pt.analysis.tables.headline import signed

_INTRODUCTION = (
    "Tables 1 to 6 of *Multimodal Pathway* (CVPR 2024, arXiv 2401.14405v2; one run per cell), as far as this study has their "
    "data sets, and with this study's random control added. Ours: the mean over seeds with its 95 % t interval. The paper's "
    "score is next to ours where our runs have its recipe, size and data; where they do not, the cell says what differs "
    "(ours [the paper's]) and gives no difference. Left out: COCO, and the methods of others that the paper quotes. "
    "[published.csv](published.csv) has the same, one row per cell."
)
_TIMED = ("training time", "inference time")
"""The costs that are measured, and so differ from one execution to the next."""


def section(facts: Facts) -> Section | None:
    """None for a study without published data sets."""
    tables = facts.paper.tables
    if not tables:
        return None
    blocks: tuple[Block, ...] = (Paragraph(prose(_INTRODUCTION)), *map(_table, tables), costs(facts.paper.costs, measured=False))
    return Section("Comparison with the paper", "published", blocks, "The paper")


def _table(table: PaperTable) -> Table:
    columns = (Column(plain(""), head=True), *(Column(plain(item.title), item.words) for item in table.columns))
    groups = tuple(
        Group(tuple((Entry(plain(line.label), line.label), *map(_cell, line.cells)) for line in lines), heading)
        for heading, lines in table.groups
    )
    caption = f"Table {table.number}. {table.title}: test scores in percent, ours above the paper's, and the difference"
    return Table(f"Table {table.number}", plain(caption), columns, groups, "paper")


def _cell(row: Row | None) -> Entry:
    if row is None:
        return Entry(empty=True)
    ours, lines, under = row.ours, list[Text](), list[Text]()
    if ours.mean is not None:
        width = f"± {rounded(ours.half_width, 1)}, " if ours.half_width is not None else ""
        lines.append(plain(f"{width}n={of_planned(ours)}"))
        text = rounded(ours.mean, 1)
    else:
        text = "no result" if ours.dropped else "not run"
    (under if row.same.differs or row.same.departs else lines).append(plain(row.theirs))
    if row.difference is not None:
        under.append(plain(signed(row.difference, 1))) if under else lines.append(plain(signed(row.difference, 1)))
    return Entry(plain(text), ours.mean, ours, tuple(lines), tuple(under), empty=ours.mean is None)


def costs(ratios: Sequence[CostRatio], *, measured: bool) -> Table:
    """Table 7; ours that are measured are on the page of costs alone (`measured`)."""
    columns = (Column(plain("cost"), head=True), Column(plain("paper"), number=True), Column(plain("ours"), number=True))
    rows = tuple(
        (Entry(plain(row.label), row.label), Entry(plain(times(row.published)), row.published), _ours(row, measured))
        for row in ratios
    )
    caption = "Table 7. Cost of the pathway as a multiple of the baseline's; the paper's on ImageNet-1K, ours over all targets"
    return Table("Table 7", plain(caption), columns, (Group(rows),))


def _ours(row: CostRatio, measured: bool) -> Entry:
    if row.label in _TIMED and not measured:
        return Entry(prose(f"[measured]({ABOUT_COSTS})"))
    return Entry(plain(times(row.ours) if row.ours is not None else "not measured"), row.ours)


def cost_sentence(ratios: Sequence[CostRatio], *, measured: bool) -> str:
    """Table 7 in one sentence; ours in brackets, those that are measured on the page of costs alone (`measured`)."""
    known = [
        f"{row.label} {times(row.published)}"
        + (f" (here {times(row.ours)})" if row.ours is not None and (measured or row.label not in _TIMED) else "")
        for row in ratios
    ]
    return f"The paper's own cost of the pathway (Table 7, ImageNet-1K): {', '.join(known)}."
