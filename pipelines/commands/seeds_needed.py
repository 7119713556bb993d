"""`plan --seeds-needed`: how many seeds each pair of target and auxiliary needs."""

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.evidence import ONE_POINT, Sureness, evidence
from m2pt.analysis.numbers.power import MOST_SEEDS, seeds_needed, spread_bound, spread_of
from m2pt.analysis.tables.headline import difference
from m2pt.analysis.tables.phrases import upwards
from m2pt.runs.table import read_table
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import Plan

_EXPLAINED = (
    "So many seeds detect a true difference of that size with a power of 80 % at least, after the strictest step of the",
    "correction for all pairs. Spread and size are estimates of few seeds: the numbers are bounds, which hold nine times in ten.",
    "Choose the number once, and run it as a new study with fresh seeds, or declare a sequential design (design.seeds).",
)

_SHARED = "Where fine-tuning seeds share encoders, the numbers count the seeds of the encoders (encoders.NAME.seeds)."


def lines(plan: Plan) -> list[str]:
    """For each pair, compared with the random control: its gain, what its seeds can detect, and how many it needs."""
    size, shared = plan.study.design.smallest_difference or ONE_POINT, [_SHARED] if plan.study.replicates else []
    table = read_table(plan.compared, runs_folder(plan.study), plan.parts)
    shown = [
        f"{item.condition.slug}  {row.comparison.target} from {row.comparison.auxiliary}: {_need(row, size)}"
        for item in evidence(summaries(cells(table)))
        for row in item.rows
        if row.comparison.role == "pair"
    ]
    return [*shown, "", *_EXPLAINED, *shared]


def _need(row: Sureness, interest: float) -> str:
    value = row.comparison.estimate
    if row.detectable is None:
        return f"{difference(value)}; more needs at least two complete seeds"
    spread = spread_bound(spread_of(value.half_width or 0.0, value.units), value.units)
    count = seeds_needed(interest, spread, level=row.level)
    enough = f"at most {count} seeds" if count is not None else f"perhaps more than {MOST_SEEDS} seeds"
    measured = row.seeds_for_measured
    size = f"at most {measured} seeds" if measured is not None else "no number is shown to suffice"
    can = f"n={value.n} can detect {upwards(row.detectable)}"
    points = f"{interest:g} {'point' if interest == 1 else 'points'}"
    return f"{difference(value)}; {can}; needed for {points}: {enough}; for the measured size: {size}"
