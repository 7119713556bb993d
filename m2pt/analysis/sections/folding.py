"""How the conditions of a study follow each other in a section: the reference open, the parts that change something folded."""

from collections.abc import Callable, Sequence

from m2pt.analysis.content import Block, Details, Figure, Gallery, Heading, Paragraph, Text, plain, prose
from m2pt.analysis.figures.gallery import Picture
from m2pt.analysis.numbers.cells import Condition
from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import CELLS_INDEX
from m2pt.analysis.sections.wording import capital

Blocks = tuple[Block, ...]


def by_condition(facts: Facts, summaries: Sequence[Summary], blocks_of: Callable[[Summary], Blocks]) -> Blocks:
    """The blocks of each condition: open for the reference, folded for other parts, and several of those folded once more."""
    open_blocks: list[Block] = []
    folded: list[Block] = []
    for summary in summaries:
        blocks = blocks_of(summary)
        if facts.is_reference(summary.condition):
            open_blocks += [*headed(facts, summary.condition), *blocks]
        else:
            folded.append(Details(title(summary.condition), blocks))
    if len(folded) > 1:
        return *open_blocks, Details(plain(f"The other {len(folded)} parts"), tuple(folded))
    return *open_blocks, *folded


def drawn(facts: Facts, section: str, caption: str) -> Blocks:
    """The figures of a section for each condition that is drawn, and a sentence for the others."""
    summaries = [item for item in facts.ordered if item.condition in facts.drawn]
    blocks: list[Block] = []
    for summary in summaries:
        shown = gallery(facts, section, summary.condition, caption)
        if facts.is_reference(summary.condition):
            blocks += [*headed(facts, summary.condition), shown]
        else:
            blocks.append(Details(title(summary.condition), (shown,)))
    return *blocks, *undrawn(len(facts.analysis.summaries) - len(facts.drawn))


def gallery(facts: Facts, section: str, condition: Condition, caption: str) -> Block:
    """The figures of one condition under what they show; a sentence where there are none."""
    pictures = facts.pictures_of(section, condition.slug)
    if not pictures:
        return Paragraph(plain("No complete run to draw yet."), "caption")
    return Gallery(tuple(map(figure, pictures)), plain(caption))


def figure(picture: Picture) -> Figure:
    """A figure of the report with files of its own."""
    return Figure(picture.alternative, picture.title, picture.name, picture.inline, picture.png)


def headed(facts: Facts, condition: Condition) -> Blocks:
    """The heading of a condition, where there are several."""
    return (Heading(title(condition)),) if facts.many else ()


def title(condition: Condition) -> Text:
    """A condition at the start of a line."""
    return plain(capital(condition.label))


def undrawn(count: int) -> Blocks:
    """A sentence on how many conditions have no figures here, and where theirs are."""
    if not count:
        return ()
    words = "1 further condition of the study is" if count == 1 else f"{count} further conditions of the study are"
    return (
        Paragraph(prose(f"{words} not drawn here; [the page of each cell]({CELLS_INDEX}) has its curves and scales."), "caption"),
    )
