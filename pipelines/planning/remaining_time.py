"""How long the remaining runs of a study will take, estimated from the runs that are complete."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from m2pt.runs.attempts import read_attempts
from m2pt.runs.folder import is_complete
from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.planning.plan import Plan


def remaining_seconds(plan: Plan, slots: int, refused: Sequence[Spec] = ()) -> float | None:
    """Estimated seconds until every run but the `refused` ones, which are runs of the plan, is complete.

    They follow from the mean time of each method so far.

    None if a method has runs to do but none that was completed here.
    """
    out = {id(spec) for spec in refused}
    left = Counter(_group(spec) for spec in plan.unfinished([spec for spec in plan.specs if id(spec) not in out])) + plan.to_come
    if not left:
        return 0.0
    seconds: dict[str, list[float]] = {}
    for spec, taken in durations(plan):
        seconds.setdefault(_group(spec), []).append(taken)
    if not left.keys() <= seconds.keys():
        return None
    return sum(count * sum(seconds[group]) / len(seconds[group]) for group, count in left.items()) / slots


def durations(plan: Plan) -> Iterator[tuple[Spec, float]]:
    """The complete runs of a study that were computed here, and the seconds that each took."""
    for spec in plan.specs:
        run_dir = plan.run_dir(spec)
        if run_dir is not None and is_complete(run_dir) and (taken := _run_seconds(run_dir)) is not None:
            yield spec, taken


def _group(spec: Spec) -> str:
    """Runs of one group take about equally long."""
    return spec.source if isinstance(spec, PretrainSpec) else spec.method


def _run_seconds(run_dir: Path) -> float | None:
    """The seconds of all attempts of a run; None where it was computed elsewhere."""
    attempts = read_attempts(run_dir)
    return sum(attempt.seconds.get("total", 0.0) for attempt in attempts) if attempts else None
