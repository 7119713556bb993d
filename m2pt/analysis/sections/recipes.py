"""How the recipes of a study depart from their releases."""

from m2pt.analysis.content import Block, Heading, Item, Items, Paragraph, Section, plain
from m2pt.analysis.paper.departures import uses
from m2pt.analysis.sections.facts import Facts

_INTRODUCTION = (
    "How each recipe departs from its release: a key with its value here and the released one in brackets, or something that "
    "no key can switch."
)


def section(facts: Facts) -> Section | None:
    """None for a study without recipes of releases."""
    recipes = uses(facts.source.by_part)
    if not recipes:
        return None
    blocks: list[Block] = [Paragraph(plain(_INTRODUCTION))]
    for use in recipes:
        parts = [part for part in use.parts if part]
        where = f"; parts: {', '.join(use.parts)}" if parts else ""
        said = [*use.departures.always, *(f"with a pathway: {sentence}" for sentence in use.departures.joined)]
        points = tuple(Item(plain(sentence)) for sentence in said or ["no departures"])
        blocks += [
            Heading(plain(use.recipe)),
            Paragraph(plain(f"{use.source}. On {', '.join(use.targets)}{where}.")),
            Items(points),
        ]
    return Section("Recipes", "recipes", tuple(blocks))
