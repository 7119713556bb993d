"""Where the files of a report are, as addresses from its first page."""

from m2pt.analysis.numbers.cells import cell_name
from m2pt.analysis.tables.summaries import Condition

CELLS = "cells"
"""The folder of the pages of cells."""

LOCAL = "local"
"""The folder of what differs between identical executions: times, devices, versions. Git does not track it."""

CELLS_INDEX = f"{CELLS}/index.html"
COSTS, TIMINGS = f"{LOCAL}/costs.html", f"{LOCAL}/timings.csv"

_METHODS = {"pair": "pathway", "random": "random_auxiliary", "own": "own_modality", "baseline": "baseline"}


def page_of(condition: Condition, target: str, method: str, auxiliary: str) -> str:
    """The page of a cell."""
    return f"{CELLS}/{cell_name(condition, target, method, auxiliary)}.html"


def page_of_role(condition: Condition, target: str, role: str, auxiliary: str) -> str:
    """The same for a cell of the matrices, which know the role of a method."""
    return page_of(condition, target, _METHODS[role], auxiliary)
