"""The methods by their mean rank over the targets."""

from m2pt.analysis.content import Block, Column, Details, Entry, Group, Paragraph, Section, Table, code, plain, prose
from m2pt.analysis.numbers.ranking import MethodRanking
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.sections import folding
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import number, numeric, of_family

_FEW_CASES = 10
_FIGURE = (
    "Mean rank of each method, best on top; hollow: controls. A thick line at the right joins methods that are not shown to "
    "differ."
)


def section(facts: Facts) -> Section | None:
    """None where no condition has methods and targets enough."""
    if not facts.analysis.rankings:
        return None
    blocks: list[Block] = [Paragraph(prose(_introduction(facts)))]
    for item in facts.analysis.rankings:
        blocks += [*folding.headed(facts, item.condition), verdict(item)]
        if item.condition in facts.drawn:
            blocks.append(folding.gallery(facts, "ranking", item.condition, _FIGURE))
        blocks.append(Details(plain("Ranks and scores"), (ranks(item),), printed=True))
    return Section("Ranking", "ranking", tuple(blocks))


def _introduction(facts: Facts) -> str:
    return (
        f"Methods ranked on each target by their mean test {facts.measure}, and the mean of these ranks over the targets. The "
        "test counts targets, never seeds: seeds of one target share its data, so more of them make its ranks steadier, but only "
        "more targets make the test stronger. "
        f"{of_family('rankings', facts.rates)}"
    )


def verdict(item: MethodRanking) -> Paragraph:
    """Whether any methods differ, and how far apart two of them must be."""
    ranking = item.ranking
    claim = "The methods do not all score alike" if item.holds else "The methods are not shown to differ"
    p = "< 0.001" if item.adjusted_p is not None and item.adjusted_p < 0.001 else f"= {number(item.adjusted_p)}"
    words = f"**{claim}** (Friedman, p {p} after the correction, {ranking.cases} targets). "
    apart = rounded(ranking.critical_difference, 2)
    if not ranking.can_separate:
        words += (
            f"Two methods would need to be {apart} mean ranks apart, more than {len(ranking.ranks)} methods can be: so few "
            "targets cannot separate any two of them."
        )
    elif item.holds:
        few = f"; with {ranking.cases} targets only the largest differences can show" if ranking.cases < _FEW_CASES else ""
        words += f"Two methods differ where their mean ranks are more than {apart} apart (Nemenyi, 5 %){few}."
    if item.left_out:
        words += f" Not ranked, because they lack a complete seed on some target: {', '.join(item.left_out)}."
    return Paragraph(prose(words))


def ranks(item: MethodRanking) -> Table:
    """The mean rank and the scores of each method."""
    columns = [Column(plain("method"), head=True), Column(plain("mean rank"), number=True)]
    columns += [Column(plain(f"{target} (n={len(seeds)})"), number=True) for target, seeds in item.seeds.items()]
    rows = tuple(
        (Entry(code(name), name), numeric(value, 2), *(numeric(item.scores[name][target], 1) for target in item.seeds))
        for name, value in item.ranking.ranks.items()
    )
    caption = "Mean rank over targets, and mean test score in percent over the seeds that are complete in every method"
    return Table("Ranks and scores", plain(caption), tuple(columns), (Group(rows),))
