"""What a study says: the claims of each condition, and what a reader must know to judge them."""

from m2pt.analysis.content import Block, Item, Items, Paragraph, Section, plain, prose
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import capital
from m2pt.analysis.tables import caveats, environments
from m2pt.analysis.tables.headline import headline

_RANDOM = "In this part random weights take the auxiliaries' place. It is a control, and says nothing about other modalities."


def section(facts: Facts) -> Section:
    """The claims, and the caveats below them."""
    source = facts.source
    claims = folding.by_condition(facts, facts.ordered, lambda summary: _claims(facts, summary))
    warnings = [
        *caveats.caveats(source.study, source.specs),
        *environments.mixtures(facts.analysis.environments),
    ]
    nothing: tuple[Block, ...] = () if facts.ordered else (Paragraph(plain("The study plans no runs.")),)
    blocks = (*claims, *nothing, *(Paragraph(prose(caveat), "caveat") for caveat in warnings))
    return Section("What it says", "findings", blocks)


def _claims(facts: Facts, summary: Summary) -> folding.Blocks:
    if facts.ablations.is_random(summary.condition.part):
        return (Paragraph(plain(_RANDOM), "caveat"),)
    statements = headline(summary, facts.ablations.controls(summary.condition))
    return (Items(tuple(Item(prose(said.claim), plain(capital(said.detail))) for said in statements), "findings"),)
