"""`plan --seeds-needed`: how many seeds each pair of target and auxiliary needs, and each average of the primary family."""

from collections.abc import Iterator, Sequence

from m2pt.analysis.numbers import sequential
from m2pt.analysis.numbers.cells import Cell, cells
from m2pt.analysis.numbers.claims import Claim, claims
from m2pt.analysis.numbers.comparisons import average, summaries
from m2pt.analysis.numbers.evidence import ONE_POINT, evidence
from m2pt.analysis.numbers.families import SIGNIFICANT
from m2pt.analysis.numbers.power import (
    MOST_SEEDS,
    Critical,
    detectable,
    effect_bound,
    seeds_needed,
    spread_bound,
    t_critical,
)
from m2pt.analysis.numbers.questions import answers, asked
from m2pt.analysis.numbers.rules import Rule
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.tables.headline import difference
from m2pt.analysis.tables.phrases import counted, points, upwards
from m2pt.config import Study
from m2pt.runs.table import read_table
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import Plan

_EXPLAINED = (
    "So many seeds detect a true difference of that size with a power of 80 % at least, after the strictest step of the",
    "correction: for a pair, that for all pairs; for an average, with the share that it has of the primary family's 5 % from the",
    "start. Spread and size are estimates of few seeds: the numbers are bounds, which hold nine times in ten.",
    "Choose the number once, and run it as a new study with fresh seeds, or declare a sequential design (design.seeds).",
)

_SHARED = "Where fine-tuning seeds share encoders, the numbers count the seeds of the encoders (encoders.NAME.seeds)."


def lines(plan: Plan) -> list[str]:
    """Each pair over the random control and each primary average: its gain, what its seeds can detect, how many it needs."""
    size, shared = plan.study.design.smallest_difference or ONE_POINT, [_SHARED] if plan.study.replicates else []
    known = cells(read_table(plan.compared, runs_folder(plan.study), plan.parts))
    pairs = [
        f"{item.condition.slug}  {row.comparison.target} from {row.comparison.auxiliary}: "
        f"{_need(row.comparison.estimate, row.comparison.estimate, size, row.level)}"
        for item in evidence(summaries(known))
        for row in item.rows
        if row.comparison.role == "pair"
    ]
    return [*pairs, *_averages(plan.study, known, size), "", *_EXPLAINED, *shared]


def _averages(study: Study, known: Sequence[Cell], interest: float) -> Iterator[str]:
    """The averages of the primary family; a declared question that nothing answers is named."""
    planned, questions = study.design.planned, asked(study)
    tested = claims(summaries(known), rule=Rule(planned), answers=answers(questions, known))
    critical = t_critical if planned is None else _sequential(planned)
    answered = set()
    for condition, item in tested.items():
        for claim in (*item.others, *item.controls, *item.questions) if item.is_primary else ():
            answered.add(claim.question)
            value, level = average(claim.comparisons), SIGNIFICANT * claim.share
            yield f"{condition.slug}  {_about(claim)}: {_need(claim.estimate, value, interest, level, critical)}"
    for question in questions:
        if question not in answered:
            yield f"{question.method} over {question.over}: no runs answer this question"


def _about(claim: Claim) -> str:
    """What is averaged, in words."""
    first = claim.comparisons[0].cell.method
    what = {
        "others": "other modalities over random weights",
        "control": f"{first} over random weights",
        "question": f"{claim.question.method} over {claim.question.over}" if claim.question is not None else "",
    }[claim.kind]
    noun = "target" if claim.kind == "control" else "pair"
    return f"{what}, on average over {counted(len(claim.comparisons), noun)}"


def _sequential(planned: int) -> Critical:
    def critical(n: int, level: float) -> float:
        return sequential.critical(n, level, planned)

    return critical


def _need(shown: Estimate, value: Estimate, interest: float, level: float, critical: Critical = t_critical) -> str:
    """What is said of a mean difference that is tested at this level; `value` has the t interval of the one that is `shown`."""
    spread = value.spread
    if value.mean is None or spread is None:
        return f"{difference(shown)}; more needs at least two complete seeds"
    n, bound = value.units, spread_bound(spread, value.units)
    can, count = (
        detectable(bound, n, level=level, critical=critical),
        seeds_needed(interest, bound, level=level, critical=critical),
    )
    measured = seeds_needed(effect_bound(value.mean, spread, n), 1.0, level=level, critical=critical)
    now = f"n={shown.n} can detect {'nothing' if can is None else upwards(can)}"
    enough = f"at most {count} seeds" if count is not None else f"perhaps more than {MOST_SEEDS} seeds"
    size = f"at most {measured} seeds" if measured is not None else "no number is shown to suffice"
    return f"{difference(shown)}; {now}; needed for {points(interest)}: {enough}; for the measured size: {size}"
