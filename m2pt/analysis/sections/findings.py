"""What a study says: the claims of each condition, and what a reader must know to judge them."""

from m2pt.analysis.content import Block, Item, Items, Paragraph, Section, plain, prose
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.sections import folding, validity
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import capital
from m2pt.analysis.tables import caveats, environments, tuning
from m2pt.analysis.tables.headline import headline

_RANDOM = "In this part random weights take the auxiliaries' place. It is a control, and says nothing about other modalities."


def section(facts: Facts) -> Section:
    """The claims, and the caveats below them."""
    source = facts.source
    claims = folding.by_condition(facts, facts.ordered, lambda summary: _claims(facts, summary))
    warnings = [
        *caveats.caveats(source.study, source.declared),
        *environments.mixtures(facts.analysis.environments),
        *tuning.caveats(source.arms),
    ]
    reason = "Nothing is compared before rates are chosen." if source.arms else "The study plans no runs."
    nothing: tuple[Block, ...] = () if facts.ordered else (Paragraph(plain(reason)),)
    blocks = (
        *validity.notice(facts),
        *claims,
        *validity.registration(facts),
        *nothing,
        *(Paragraph(prose(caveat), "caveat") for caveat in warnings),
    )
    return Section("What it says", "findings", blocks)


def _claims(facts: Facts, summary: Summary) -> folding.Blocks:
    if facts.ablations.is_random(summary.condition.part):
        return (Paragraph(plain(_RANDOM), "caveat"),)
    if facts.source.validity.refusal:
        return ()
    statements = headline(summary, facts.ablations.controls(summary.condition))
    mine = [arm for arm in facts.source.arms if tuning.condition_of(arm) == summary.condition]
    unequal = tuning.in_a_claim(mine)
    details = [plain(" ".join(filter(None, (capital(said.detail), unequal)))) for said in statements]
    return (Items(tuple(Item(prose(said.claim), detail) for said, detail in zip(statements, details, strict=True)), "findings"),)
