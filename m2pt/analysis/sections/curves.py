"""The training curves."""

from m2pt.analysis.content import Section
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts

_FIGURES = "Mean over seeds of complete runs; the band is the 95 % t interval of that mean (none for a single seed)."


def section(facts: Facts) -> Section:
    """Loss and validation score of every target over the epochs."""
    return Section("Training curves", "curves", folding.drawn(facts, "curves", _FIGURES))
