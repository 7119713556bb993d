"""A report as pages: what a reader needs first on one, and each of the rest on a page of its own beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from m2pt.analysis.content import Item, Items, Page, Section, Span, plain, prose
from m2pt.analysis.sections.places import ABOUT_COSTS, CELLS_INDEX, COST_SCRIPT, ORIGIN

FIRST = "index.html"


@dataclass(frozen=True)
class Leaf:
    """A page of some sections, which are named by their anchors; `words` say what is there."""

    file: str
    title: str
    words: str
    anchors: tuple[str, ...]


LEAVES = (
    Leaf("reading.html", "How to read it", "every term of the report", ("reading",)),
    Leaf("sure.html", "How sure in full", "what the seeds of each pair can show, and all targets together", ("evidence",)),
    Leaf("chosen.html", "How values were chosen", "the search and the tuning, on validation data", ("search", "tuning")),
    Leaf("paper.html", "Comparison with the paper", "the paper's tables with this study's numbers, and recipes",
         ("published", "recipes")),
    Leaf("views.html", "Ranking, profiles and classes", "methods by rank, how gains are distributed, which classes change",
         ("ranking", "profiles", "classes")),
    Leaf("training.html", "Training", "curves, and how large the scales became", ("curves", "scales")),
    Leaf(ORIGIN, "Where it comes from", "encoders, data, settings, a reviewer's checklist",
         ("encoders", "provenance", "checklist", "costs")),
)  # fmt: skip
"""The pages beside the first one, in the order of its links. A section that none of them has is on the first page."""


def pages(whole: Page, study: str) -> dict[str, Page]:
    """The pages of a report, by their files.

    Args:
        whole: the report as one page.
        study: the name of the study.

    """
    places = {anchor: leaf.file for leaf in LEAVES for anchor in leaf.anchors}
    kept = {leaf: tuple(section for section in whole.sections if section.anchor in leaf.anchors) for leaf in LEAVES}
    made = {
        leaf.file: Page(
            title=leaf.title,
            document_title=f"{study}: {leaf.title.lower()}",
            lead=plain(f"{leaf.words[:1].upper()}{leaf.words[1:]}."),
            sections=sections,
            trail=((f"Study {study}", FIRST),),
            contents=len(sections) > 1,
            scripts=(COST_SCRIPT,) if leaf.file == places[ABOUT_COSTS[1:]] else (),
        )
        for leaf, sections in kept.items()
        if sections
    }
    first = tuple(section for section in whole.sections if section.anchor not in places)
    reading, *_ = LEAVES
    made[FIRST] = replace(
        whole,
        sections=(*first, _further([leaf for leaf in LEAVES if leaf.file in made])),
        further=((reading.title, reading.file), *whole.further),
        scripts=(COST_SCRIPT,),
    )
    return {file: _addressed(page, file, places) for file, page in made.items()}


def _further(leaves: Sequence[Leaf]) -> Section:
    """The links to the other pages, with a line on what is there."""
    known = [(leaf.title, leaf.file, leaf.words) for leaf in leaves]
    known.insert(1, ("All cells", CELLS_INDEX, "every target and auxiliary: scores by seed, curves, scales, classes, runs"))
    known.append(("Costs, devices and versions", ABOUT_COSTS, "time, energy and memory of this execution, kept apart"))
    points = tuple(Item(prose(f"[{title}]({address}): {words}.")) for title, address, words in known)
    files = (
        "Beside this page: [results.csv](results.csv), a row for each run; [metrics.json](metrics.json); "
        "[gains.json](gains.json); [report.md](report.md) and [report.json](report.json), the whole report as one document; "
        "`plots/`, `figures/`, and every table as LaTeX in `tables/`."
    )
    return Section("Further pages", "further", (Items((*points, Item(prose(files)))),))


def _addressed(page: Page, file: str, places: Mapping[str, str]) -> Page:
    """A page whose links to sections lead to the pages that have them."""

    def address(link: str) -> str:
        if not link.startswith("#"):
            return link
        place = places.get(link[1:], FIRST)
        return link if place == file else f"{place}{link}"

    def walked(value: Any) -> Any:
        if isinstance(value, Span):
            return replace(value, address=address(value.address)) if value.kind == "link" else value
        if isinstance(value, tuple):
            return tuple(map(walked, value))
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{field.name: walked(getattr(value, field.name)) for field in fields(value)})
        return value

    return replace(page, sections=walked(page.sections), lead=walked(page.lead), notice=walked(page.notice))
