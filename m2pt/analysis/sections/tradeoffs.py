"""What each method gains against what it costs."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Column, Details, Entry, Figure, Gallery, Group, Paragraph, Section, Table, plain, prose
from m2pt.analysis.figures.costs import planes
from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.methods import name_of, parameters, with_rivals
from m2pt.analysis.sections.published import cost_sentence, costs
from m2pt.analysis.sections.wording import capital, of_family, of_gain, times
from m2pt.analysis.tables.methods import MethodRow

_INTRODUCTION = (
    "Times are measured: training against the baseline of the same target, seed and device, inference against a plain model "
    "timed with it. Gains are mean differences in points over all targets, with their 95 % t intervals, each by itself; what is "
    "marked (**\\***, in the figures too) is what the report marks in its table of methods. "
)
_PLANES = (
    "Rivals, the pathway, its random control and the baseline: gain over no auxiliary against its cost, with 95 % t "
    "intervals. Up is better, left is cheaper. Marks of nearly equal cost are side by side. The intervals are of differences "
    "from the baseline: they do not say which of two methods is better."
)


def section(facts: Facts) -> Section | None:
    """None where there is neither a rival nor a table of the paper."""
    conditions, tables = with_rivals(facts), facts.paper.tables
    if not conditions and not tables:
        return None
    blocks: list[Block] = (
        [Paragraph(prose(_INTRODUCTION + of_family("methods", facts.rates) + facts.unmixed))] if conditions else []
    )
    for condition, rows in conditions:
        shown = _condition(facts, condition, rows)
        blocks += shown if facts.is_reference(condition) else [Details(folding.title(condition), shown)]
    ratios = facts.paper.costs
    blocks.append(costs(ratios, measured=True) if tables else Paragraph(plain(cost_sentence(ratios, measured=True)), "caption"))
    return Section("Gains against costs", "methods", tuple(blocks))


def _condition(facts: Facts, condition: Condition, rows: Sequence[MethodRow]) -> folding.Blocks:
    if not facts.is_reference(condition) or not any(row.kind == "rival" for row in rows):
        return (_table(condition, rows),)
    drawn = tuple(Figure(plane.alternative, plane.title, svg=plane.inline) for plane in planes(rows))
    gallery: folding.Blocks = (Gallery(drawn, plain(_PLANES)),) if drawn else ()
    return *gallery, _table(condition, rows)


def _table(condition: Condition, rows: Sequence[MethodRow]) -> Table:
    columns = (
        Column(plain("method"), head=True),
        Column(plain("over no auxiliary"), number=True),
        Column(plain("training time"), number=True),
        Column(plain("trainable"), number=True, label="trainable parameters"),
        Column(plain("inference time"), number=True),
        Column(plain("runs"), number=True),
    )
    entries = tuple(
        (
            name_of(row), of_gain(row.gain, holds=row.holds, missing=row.missing),
            Entry(plain(times(row.train_ratio)), row.train_ratio),
            parameters(row.trainable_parameters), Entry(plain(times(row.latency_ratio)), row.latency_ratio),
            Entry(plain(f"{row.complete} of {row.runs}"), row.complete),
        )
        for row in rows
    )  # fmt: skip
    caption = plain(f"{capital(condition.label)}: gains in points, and costs")
    return Table("Methods", caption, columns, (Group(entries),), "compact")
