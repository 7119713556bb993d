"""The classes that change most with auxiliaries of other modalities."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Entry, Group, Item, Items, Paragraph, Section, Table, plain, prose
from m2pt.analysis.numbers import classes
from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.numbers.classes import TargetClasses
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import capital, of_difference, of_family, of_p, of_score, p_value, word
from m2pt.analysis.tables.phrases import listed

_INTRODUCTION = (
    "Which classes change with auxiliaries of other modalities: the difference of their recall on the test data from that "
    "with random weights, in points, mean over the auxiliaries, paired by seed, with its 95 % t interval. {}p is after the "
    "correction over all classes of all targets. The page of each cell has all of its classes and its confusion. "
)
_SELECTED = (
    "Only the classes of each target with the largest mean change are shown; as they were chosen for that, their true changes "
    "are likely to be smaller. "
)


def section(facts: Facts) -> Section | None:
    """None where no run keeps counts by class."""
    cells = [item for item in facts.cells if item.cell.condition in facts.drawn]
    targets = classes.by_target(cells, facts.classes)
    if not targets:
        return None
    groups: dict[Condition, list[TargetClasses]] = {}
    for item in targets:
        groups.setdefault(item.condition, []).append(item)
    introduction = _INTRODUCTION.format(_SELECTED if any(map(_any, groups.values())) else "")
    blocks: list[Block] = [Paragraph(prose(introduction + of_family("classes", facts.rates)))]
    for condition, items in groups.items():
        blocks += [*folding.headed(facts, condition), *(_changed(items) if _any(items) else _unchanged(items))]
    return Section("Classes", "classes", tuple(blocks))


def _any(items: Sequence[TargetClasses]) -> bool:
    return any(row.holds for item in items for row in item.classes)


def _changed(items: Sequence[TargetClasses]) -> folding.Blocks:
    verdicts = tuple(Item(plain(f"{capital(item.target)}: {item.verdict}.")) for item in items)
    return _table(items), Items(verdicts, "small")


def _unchanged(items: Sequence[TargetClasses]) -> folding.Blocks:
    """One sentence for all targets, and what it does not cover."""
    tested = [item for item in items if item.tested]
    others = [Item(plain(f"{capital(item.target)}: {item.verdict}.")) for item in items if item.remarks or not item.tested]
    remarks = (Items(tuple(others), "small"),) if others else ()
    if not tested:
        return remarks
    count = sum(len(item.tested) for item in tested)
    known = [row.adjusted_p for item in tested for row in item.tested if row.adjusted_p is not None]
    smallest = f"; the smallest p after the correction is {p_value(min(known))}" if known else ""
    among = f"{count} class{'' if count == 1 else 'es'} of {listed([item.target for item in tested])}"
    return Paragraph(plain(f"No change is shown in any of {among}{smallest}.")), *remarks


def _table(items: Sequence[TargetClasses]) -> Table:
    columns = (
        Column(plain("target"), head=True, merged=True),
        Column(plain("class"), head=True),
        Column(plain("change"), number=True),
        Column(plain("p (corrected)"), number=True),
        Column(plain("recall with random weights"), number=True),
    )
    groups = tuple(
        Group(tuple((
            word(item.target), Entry(plain(row.name), row.name), of_difference(row.change, holds=row.holds),
            of_p(row.adjusted_p), of_score(row.random),
        ) for row in item.shown))
        for item in items
    )  # fmt: skip
    words = "Classes that change most against random weights"
    return Table("Classes that change most", plain(words), columns, groups)
