"""The gains over no auxiliary and over random weights, and the paper's for the same pairs."""

from m2pt.analysis.content import (
    Block,
    Column,
    Details,
    Entry,
    Gallery,
    Group,
    Paragraph,
    ScaleBar,
    Section,
    SideBySide,
    Table,
    plain,
    prose,
)
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.paper.gains import PaperGain
from m2pt.analysis.sections import folding, matrices
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.wording import of_family
from m2pt.analysis.tables.headline import signed
from m2pt.analysis.tables.shading import colour_limit
from m2pt.config import RANDOM
from m2pt.config.base import BUILT_IN_MODALITIES

_FIGURES = (
    "Gains on each target with 95 % intervals, each by itself; a star marks what the tables mark. Hollow: controls. All targets "
    "have the same range; an interval that reaches the frame goes on beyond it."
)


def section(facts: Facts) -> Section:
    """Both matrices of every condition, with their figures."""
    words = (
        f"Each cell: the mean difference in test {facts.measure} between runs with the same seed, its 95 % t interval, and the "
        "number of seeds (n). Dashed: controls. What counts as evidence of knowledge from another modality is the second table. "
        "Each table, with its controls and those of all parts, is one family. "
        f"{of_family('gains over random weights', facts.rates)} "
        'For the first table the family is "gains over no auxiliary".'
    )
    blocks = folding.by_condition(facts, facts.ordered, lambda summary: _condition(facts, summary))
    return Section("Gains", "gains", (Paragraph(prose(words)), *blocks))


def _condition(facts: Facts, summary: Summary) -> folding.Blocks:
    if not summary.asks:
        words = "There are no pathways from other modalities here, nor controls for them; see [Methods](#methods)."
        return (Paragraph(prose(words), "caption"),)
    over = [matrices.gains(summary, "baseline", [*summary.auxiliaries, RANDOM], "Gain over no auxiliary")]
    over += [matrices.gains(summary, "random", summary.auxiliaries, "Gain over random weights")] if summary.auxiliaries else []
    blocks: list[Block] = [SideBySide(tuple(over)), ScaleBar(colour_limit(summary))]
    if summary.condition in facts.drawn:
        shown = folding.gallery(facts, "gains", summary.condition, _FIGURES)
        blocks.append(Details(plain("Figures: the gains on each target with their intervals"), (shown,), printed=True))
    for picture in facts.pictures_of("matrix", summary.condition.slug):
        blocks.append(Details(plain("Both tables as one picture"), (Gallery((folding.figure(picture),), look="wide"),)))
    theirs = facts.paper.gains[summary.condition.slug]
    if theirs and facts.is_reference(summary.condition):
        blocks.append(_published(summary, theirs, facts.paper.controls))
    return tuple(blocks)


def _published(summary: Summary, theirs: dict[tuple[str, str], PaperGain], controls: dict[str, float]) -> Details:
    rows = []
    for target in summary.targets:
        datasets = [gain.dataset for (name, _), gain in theirs.items() if name == target]
        if datasets:
            name = Entry(plain(target), target, under=(plain(datasets[0]),))
            rows.append((name, *(_cell(theirs.get((target, auxiliary))) for auxiliary in BUILT_IN_MODALITIES)))
    columns = (Column(plain("target"), head=True), *(Column(plain(name)) for name in BUILT_IN_MODALITIES))
    caption = plain("The paper's gain over no auxiliary: points, and percent of its baseline")
    table = Table("The paper's gains", caption, columns, (Group(tuple(rows)),), "paper")
    own = ", ".join(f"{name} {signed(points)}" for name, points in controls.items())
    words = (
        "From Tables 1 to 4 of *Multimodal Pathway* (CVPR 2024): its data sets and ViT-B, one run per cell, so without "
        "intervals, and without a random control: of the tables above, only the first asks the same question. Its own "
        f"controls, on ImageNet-1K from point: {own} points over its baseline."
    )
    summary_words = plain("The paper's gains for the same targets and auxiliaries (its Figure 3)")
    return Details(summary_words, (table, Paragraph(prose(words), "caption")))


def _cell(gain: PaperGain | None) -> Entry:
    if gain is None:
        return Entry(empty=True)
    return Entry(plain(signed(gain.points, 1)), gain.points, lines=(plain(f"{signed(gain.relative, 1)} %"),))
