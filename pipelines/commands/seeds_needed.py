"""`plan --seeds-needed`: how many seeds each pair of target and auxiliary needs."""

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.power import detectable, seeds_needed, spread_of
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.tables.headline import difference
from m2pt.runs.table import read_table
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import Plan


def lines(plan: Plan) -> list[str]:
    """For each pair, compared with the random control: its gain, what its seeds can detect, and how many it needs."""
    table = read_table(plan.compared, runs_folder(plan.study), plan.parts)
    lines = []
    for summary in summaries(cells(table)):
        for item in summary.select("random", "pair"):
            value = item.estimate
            lines.append(f"{summary.condition.slug}  {item.target} from {item.auxiliary}: {_need(value)}")
    return [
        *lines,
        "",
        "Seeds needed to detect a gain of the measured size with a power of 80 %. That size is itself uncertain, and adding",
        "seeds until an interval excludes 0 makes it exclude 0 too often: choose the number once, and confirm with fresh seeds.",
    ]


def _need(value: Estimate) -> str:
    if value.mean is None or value.half_width is None:
        return f"{difference(value)}; more needs at least two complete seeds"
    spread = spread_of(value.half_width, value.n)
    detected, needed = detectable(spread, value.n), seeds_needed(value.mean, spread)
    can = f"n={value.n} can detect {detected:.2f}" if detected is not None else f"n={value.n}"
    return f"{difference(value)}; {can}; {needed if needed is not None else 'more than 1000'} seeds needed"
