"""Where the files of a report are, as addresses from its first page."""

from m2pt.analysis.numbers.cells import CellKey

CELLS = "cells"
"""The folder of the pages of cells."""

LOCAL = "local"
"""The folder of what differs between identical executions: times, devices, versions. Git does not track it."""

CELLS_INDEX = f"{CELLS}/index.html"
COSTS, TIMINGS = f"{LOCAL}/costs.html", f"{LOCAL}/timings.csv"
COST_SCRIPT = f"{LOCAL}/cost.js"
"""Writes into pages that are the same for all executions what the study cost here, where the list of studies is, and links to the
files of this machine."""

ORIGIN, ABOUT_COSTS = "origin.html", "#costs"
"""The page and the section that say where the costs are; in a copy without `local`, links to it would lead nowhere."""


def page_of(cell: CellKey) -> str:
    """The page of a cell."""
    return f"{CELLS}/{cell.name}.html"
