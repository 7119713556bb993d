"""One page for each cell of a study, and one that lists them."""

from collections.abc import Iterator

from m2pt.analysis.sections import cell, cell_list
from m2pt.analysis.sections.facts import Facts
from m2pt.analysis.sections.places import CELLS, CELLS_INDEX
from pipelines.reporting import as_html

_STYLE, _SCRIPT = "style.css", "tables.js"


def pages(facts: Facts) -> Iterator[tuple[str, bytes]]:
    """The pages of all cells, the list of them their style sheet and script, each with its path below the report's folder."""
    for item in facts.cells:
        yield f"{CELLS}/{item.cell.name}.html", as_html.page(cell.page(item, facts), _STYLE, _SCRIPT)
    yield CELLS_INDEX, as_html.page(cell_list.page(facts), _STYLE, _SCRIPT)
    yield f"{CELLS}/{_STYLE}", as_html.style()
    yield f"{CELLS}/{_SCRIPT}", as_html.script()
