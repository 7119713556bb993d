"""What is to be expected of a study: its phases, and how long its runs take, by those that are complete."""

from collections.abc import Sequence

from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.execution.display.pace import Kinds, Pace
from pipelines.execution.display.view import DATA, ENCODERS, REPORT, RUNS, SEARCH, SETTING_UP, TUNING
from pipelines.planning.plan import Plan
from pipelines.planning.remaining_time import durations


def pace_of(plan: Plan, todo: Sequence[Spec], slots: int) -> Pace:
    """What the complete runs of a study say about how long those that are to be done will take, `slots` at once."""
    pace = Pace({plan.label(spec): _kinds(spec) for spec in todo}, slots=slots)
    wanted = {kind for kinds in pace.kinds.values() for kind in kinds}
    for spec, seconds in durations(plan):
        pace.learn([kind for kind in _kinds(spec) if kind in wanted], seconds)
    return pace


def phases(plan: Plan) -> dict[str, int | None]:
    """The phases of a study, each with the number of its runs where that is known beforehand."""
    chooses: dict[str, int | None] = {SEARCH: None} if plan.study.search is not None else {TUNING: None} if plan.arms else {}
    runs = None if chooses else len(plan.runs)
    return {SETTING_UP: None, DATA: None, ENCODERS: len(plan.pretrain), **chooses, RUNS: runs, REPORT: None}


def _kinds(spec: Spec) -> Kinds:
    """What decides how long a run takes, the closest description first."""
    if isinstance(spec, PretrainSpec):
        return (f"{spec.source} {spec.modality}", spec.source)
    data = f"{spec.target} {spec.tuning}"
    return (f"{data} {spec.method}", data)
