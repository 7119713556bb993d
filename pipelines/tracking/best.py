"""The best run of each target, for a registry of models: chosen by validation scores alone."""

from dataclasses import dataclass

from m2pt.analysis.numbers.cells import MEASURES
from m2pt.analysis.numbers.rounding import rounded
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec
from pipelines.planning.plan import Plan
from pipelines.tracking.publisher import WEIGHTS_LIMIT_BYTES
from pipelines.tracking.served_model import served_model


@dataclass(frozen=True)
class Best:
    """The best run of a target: its model's name in a registry, and what a registry says of it."""

    target: str
    name: str
    run_id: str
    words: str


def best_of(plan: Plan) -> tuple[list[Best], list[str]]:
    """The best run of each target, and the targets that have none.

    Candidates are the complete runs that the study compares, without trials, that have a validation score and whose model a
    tracker keeps. Of equal scores the first by id counts.

    Raises:
        UserError: a record is damaged.

    """
    scored: dict[str, list[tuple[float, str, RunSpec, FinetuneRecord]]] = {spec.target: [] for spec in plan.compared}
    for spec in plan.compared:
        run_dir = plan.run_dir(spec)
        if run_dir is not None and plan.state(spec) == RunState.COMPLETE:
            record = read_record(run_dir, FinetuneRecord)
            if record.val_score is not None:
                scored[spec.target].append((-record.val_score, run_id(spec), spec, record))
    chosen = {target: _first_served(plan, candidates) for target, candidates in scored.items()}
    made = [_best(plan.study.study, *choice) for choice in chosen.values() if choice is not None]
    return made, [target for target, choice in chosen.items() if choice is None]


def _first_served(
    plan: Plan, candidates: list[tuple[float, str, RunSpec, FinetuneRecord]]
) -> tuple[RunSpec, FinetuneRecord, int] | None:
    for _, _, spec, record in sorted(candidates, key=lambda candidate: candidate[:2]):
        run_dir = plan.run_dir(spec)
        if run_dir is not None and served_model(spec, run_dir, WEIGHTS_LIMIT_BYTES) is not None:
            return spec, record, len(candidates)
    return None


def _best(study: str, spec: RunSpec, record: FinetuneRecord, among: int) -> Best:
    measure = MEASURES[record.metric]
    words = (
        f"`{record.run_id}`: the best of {among} complete runs on {spec.target} by validation {measure} "
        f"({rounded(record.val_score or 0.0, 2)} %, which is too high, because it was chosen); test {measure} "
        f"{rounded(record.test_score, 2)} %, which played no part. The card: `m2pt export {record.run_id} --to mlflow`."
    )
    return Best(spec.target, f"{study}.{spec.target}", record.run_id, words)
