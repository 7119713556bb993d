"""The test scores of every target and auxiliary."""

from m2pt.analysis.content import Details, Section, plain
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.sections import folding, matrices
from m2pt.analysis.sections.facts import Facts


def section(facts: Facts) -> Section:
    """The scores of every condition that has any, with their figures."""
    shown = [summary for summary in facts.ordered if summary.cells]
    blocks = folding.by_condition(facts, shown, lambda summary: _condition(facts, summary))
    return Section(facts.measure.capitalize(), "accuracy", blocks)


def _condition(facts: Facts, summary: Summary) -> folding.Blocks:
    table = matrices.scores(summary, facts.measure)
    if not summary.asks or summary.condition not in facts.drawn:
        return (table,)
    caption = (
        f"Test {facts.measure}: small dots are seeds, large dots means with 95 % intervals (hollow: controls); the line and "
        "its band are the baseline's. The intervals of two methods may overlap while their paired difference still excludes "
        "0."
    )
    figures = folding.gallery(facts, "accuracy", summary.condition, caption)
    return table, Details(plain("Figures: every seed's score on each target"), (figures,), printed=True)
