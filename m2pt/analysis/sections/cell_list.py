"""The page that lists the cells of a study."""

from collections.abc import Sequence

from m2pt.analysis.content import Column, Entry, Group, Page, Section, Table, plain
from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.numbers.comparisons import Compared
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import capital, of_difference, of_score
from m2pt.analysis.tables.phrases import counted

_LEAD = (
    "The runs that differ by seed alone, each cell with a page of its own. Means with 95 % t intervals over seeds; "
    "differences in points, paired by seed, not corrected for the other cells."
)


def page(facts: Facts) -> Page:
    """All cells, by condition."""
    groups: dict[Condition, list[Compared]] = {}
    for item in facts.cells:
        groups.setdefault(item.cell.condition, []).append(item)
    sections = tuple(
        Section(capital(condition.label), condition.slug, (_table(condition, items),)) for condition, items in groups.items()
    )
    name = facts.study.study
    trail = ((f"Study {name}", "../index.html"),)
    return Page("All cells", f"{name}: all cells", plain(_LEAD), sections, trail=trail, contents=len(sections) > 1)


def _table(condition: Condition, items: Sequence[Compared]) -> Table:
    names = ("complete", "test, %", "over no auxiliary", "over random weights")
    columns = (Column(plain("cell"), head=True), *(Column(plain(name), number=True) for name in names))
    rows = tuple(map(_row, items))
    return Table(f"Cells: {condition.label}", plain(counted(len(items), "cell")), columns, (Group(rows),), "cells")


def _row(item: Compared) -> tuple[Entry, ...]:
    cell = item.cell
    complete = len(cell.complete)
    return (
        Entry(plain(cell.title), cell.title, address=f"{cell.name}.html"),
        Entry(plain(f"{complete} of {len(cell.runs)}"), complete),
        of_score(cell.mean_test),
        of_difference(item.difference("baseline")),
        of_difference(item.difference("random")),
    )
