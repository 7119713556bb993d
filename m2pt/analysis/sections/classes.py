"""The classes that change most with auxiliaries of other modalities."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Entry, Group, Item, Items, Paragraph, Section, Table, plain, prose
from m2pt.analysis.numbers import classes
from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.numbers.classes import TargetClasses
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import capital, of_difference, of_family, of_p, of_score, word

_INTRODUCTION = (
    "Which classes change with auxiliaries of other modalities: the difference of their recall on the test data from that "
    "with random weights, in points, mean over the auxiliaries, paired by seed, with its 95 % t interval. Only the classes "
    "of each target with the largest mean change are shown; as they were chosen for that, their true changes are likely to "
    "be smaller. p is after the correction over all classes of all targets. The page of each cell has all of its classes "
    "and its confusion. "
)


def section(facts: Facts) -> Section | None:
    """None where no run keeps counts by class."""
    cells = [item for item in facts.cells if item.cell.condition in facts.drawn]
    targets = classes.by_target(cells, facts.analysis.records)
    if not targets:
        return None
    groups: dict[Condition, list[TargetClasses]] = {}
    for item in targets:
        groups.setdefault(item.condition, []).append(item)
    blocks: list[Block] = [Paragraph(prose(_INTRODUCTION + of_family("classes", facts.rates)))]
    for condition, items in groups.items():
        verdicts = tuple(Item(plain(f"{capital(item.target)}: {item.verdict}.")) for item in items)
        blocks += [*folding.headed(facts, condition), _table(items), Items(verdicts, "small")]
    return Section("Classes", "classes", tuple(blocks))


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
