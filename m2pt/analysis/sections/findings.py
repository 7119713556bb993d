"""What a study says: the claims of each condition, and what a reader must know to judge them."""

from collections.abc import Sequence

from m2pt.analysis.content import Block, Item, Items, Paragraph, Section, plain, prose
from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.numbers.questions import asked
from m2pt.analysis.sections import folding, validity
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import capital
from m2pt.analysis.tables import caveats, environments, tuning
from m2pt.analysis.tables.headline import Statement, headline
from m2pt.analysis.tables.questions import questions

_RANDOM = "In this part random weights take the auxiliaries' place. It is a control, and says nothing about other modalities."

_PRIMARY_RATES = (
    "The primary claims are one family: with a probability of at least 95 % all of them are true (family-wise error 5 %). A "
    'claim that does not say "on these test samples" is shown for further ones too, with the same error rate by itself. '
    "Everything else, here and in all tables, is exploratory"
)
_NO_PRIMARY_RATES = "Everything, here and in all tables, is exploratory"
_RATES = (
    "**Error rates.** {}: of the differences that are shown in a family, at most 5 % are expected to be false (false discovery "
    "rate 5 %{}), and each table names its family. Intervals are 95 % intervals, each by itself."
)
_IF_SEQUENTIAL = ", for a number of seeds that does not depend on what was seen"
_EXPLORATORY = 'Exploratory statements, and what describes these runs. Averages are tested in the family "averages".'
_NO_CLAIM = "No primary claim is made."


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
    beside = any(heads(facts, item.condition) for item in facts.ordered)
    nothing: tuple[Block, ...] = () if facts.ordered else (Paragraph(plain(reason)),)
    blocks = (
        *validity.notice(facts),
        *claims,
        *(_rates(facts) if facts.ordered and not beside else ()),
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
    tested, statements = facts.claims[summary.condition], said_of(facts, summary)
    mine = [arm for arm in facts.source.arms if tuning.condition_of(arm) == summary.condition]
    unequal = tuning.in_a_claim(mine)
    primary = [said for said in statements if said.standing in ("primary", "undecided")]
    others = [said for said in statements if said not in primary]
    claimed = any(said.standing == "primary" for said in primary)
    blocks: list[Block] = []
    if tested.is_primary:
        blocks.append(Paragraph(prose("**Primary claims**" if claimed else f"**{_NO_CLAIM}**")))
    blocks += [_items(primary, unequal)] if primary else []
    if heads(facts, summary.condition):
        blocks += _rates(facts)
    blocks += [Paragraph(plain(_EXPLORATORY), "caption"), _items(others, unequal)] if others else []
    return tuple(blocks)


def said_of(facts: Facts, summary: Summary) -> list[Statement]:
    """The statements on one condition: on the declared questions first, then on the built-in ones."""
    tested = facts.claims[summary.condition]
    declared = questions(tested, asked(facts.study))
    return [*declared, *headline(summary, facts.ablations.controls(summary.condition), tested)]


def _rates(facts: Facts) -> folding.Blocks:
    """The error rates of what the report says; nothing where nothing is compared, or seeds were added after a look."""
    if facts.rates == "none" or not facts.compares:
        return ()
    claimed = any(item.is_primary for item in facts.claims.values()) and not facts.source.validity.refusal
    unless = _IF_SEQUENTIAL if facts.rates == "sequential" else ""
    return (Paragraph(prose(_RATES.format(_PRIMARY_RATES if claimed else _NO_PRIMARY_RATES, unless))),)


def heads(facts: Facts, condition: Condition) -> bool:
    """Whether a condition is the one that the primary claims, and so the first lines of a report, are about."""
    claimed = facts.claims.get(condition)
    return claimed is not None and claimed.is_primary and not facts.source.validity.refusal


def _items(statements: Sequence[Statement], unequal: str) -> Items:
    details = [plain(" ".join(filter(None, (capital(said.detail), unequal)))) for said in statements]
    return Items(tuple(Item(prose(said.claim), detail) for said, detail in zip(statements, details, strict=True)), "findings")
