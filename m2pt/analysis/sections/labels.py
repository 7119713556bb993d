"""The section on scores by number of labels: what each method is worth in labels of the baseline."""

from m2pt.analysis.content import (
    Block,
    Column,
    Details,
    Entry,
    Gallery,
    Group,
    Paragraph,
    Section,
    Table,
    Text,
    code,
    plain,
    prose,
)
from m2pt.analysis.figures.labels import SECTION
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import NONE, capital, of_planned, score
from m2pt.analysis.tables import labels
from m2pt.analysis.tables.labels import ALL, LabelCurve, Line

_HOW = (
    "Below each score of a method: how many more labels than the method had the baseline needs for the same test score, in "
    "percent (negative: fewer), and in brackets the 95 % interval. The baseline's mean score is made monotone and interpolated "
    "linearly in the logarithm of the number of labels between the numbers that were measured. Nothing is extrapolated: what is "
    "beyond them is given as a bound, and such an end of an interval is open. The interval has every number of labels at which "
    "the 95 % interval of the paired difference from the interpolated baseline includes 0 (Fieller's method). It "
    "covers the spread between the draws of this study{scope}, on these test samples, and presumes a straight line between "
    "neighbours. Each interval stands by itself: they are exploratory, and not corrected for their number. Scores are averaged "
    "over auxiliaries."
)


def section(facts: Facts) -> Section | None:
    """None for a study whose parts do not differ in the number of labels."""
    if not facts.labels:
        return None
    first, *others = facts.labels
    found = [item for lines in first.targets.values() for line in lines for item in line.worth.values()]
    scope = "" if found and all(item.covers_encoders for item in found) else " for these encoders"
    blocks: list[Block] = [Paragraph(prose(_HOW.replace("{scope}", scope))), *_curve(facts, first)]
    blocks += [Details(_title(curve), tuple(_curve(facts, curve))) for curve in others]
    return Section("Scores by number of labels", SECTION, tuple(blocks))


def _title(curve: LabelCurve) -> Text:
    return plain(capital(f"{', '.join(curve.parts)}: {curve.condition.label.partition(': ')[2]}"))


def _curve(facts: Facts, curve: LabelCurve) -> list[Block]:
    steps = (
        "All have the same number of epochs, so fewer labels are also fewer steps."
        if curve.same_epochs
        else "Their numbers of epochs differ too."
    )
    blocks: list[Block] = [
        Paragraph(plain(f"Put together: the parts {', '.join(curve.parts)}. {steps}"), "caption"),
        _table(facts, curve),
    ]
    if pictures := facts.pictures_of(SECTION, curve.condition.slug):
        caption = "Mean test score by number of labels, with 95 % intervals over draws; controls are grey."
        blocks.append(Gallery(tuple(map(folding.figure, pictures)), plain(caption)))
    return blocks


def _table(facts: Facts, curve: LabelCurve) -> Table:
    columns = (Column(plain("method"), head=True), *(Column(plain(f"{number} labels"), number=True) for number in curve.labels))
    groups = tuple(
        Group(tuple(_row(line, curve.labels) for line in lines), title="all targets" if target == ALL else target)
        for target, lines in curve.targets.items()
    )
    caption = f"Test {facts.measure} (%) by number of labels; *worth +N % labels*: the baseline needs N % more for the same score"
    return Table(f"Labels, {', '.join(curve.parts)}, {curve.condition.slug}", prose(caption), columns, groups, "compact")


def _row(line: Line, numbers: tuple[int, ...]) -> tuple[Entry, ...]:
    return (Entry(code(line.method), line.method), *(_entry(line, number) for number in numbers))


def _entry(line: Line, number: int) -> Entry:
    if number not in line.scores or not line.scores[number].n:
        return NONE
    value = line.scores[number]
    found = line.worth.get(number)
    lines: tuple[Text, ...] = (plain(f"(n={of_planned(value)})"),) if value.dropped else ()
    under: tuple[Text, ...] = ()
    if found is not None:
        draws = f"; n={found.n}" if found.n != value.n else ""
        under = (plain(f"{labels.more_labels(found)} ({labels.interval(found)}{draws})"),)
    return Entry(plain(score(value)), value.mean, value, lines=lines, under=under)
