"""What the runs of a study on published data sets will cost, next to the scores that the paper reports for them."""

from collections.abc import Mapping
from dataclasses import dataclass

from m2pt.analysis.paper.entries import auxiliary_epochs, entry_if_scored, entry_of, told
from m2pt.analysis.paper.sameness import Sameness, made_here, sameness
from m2pt.models.costs import RunCosts, run_costs
from m2pt.runs.identity import cell_key
from m2pt.runs.spec import RunSpec
from pipelines.planning.plan import Plan
from pipelines.planning.refused_runs import without_seed
from pipelines.planning.task_facts import facts_of
from pipelines.planning.task_samples import known_samples


@dataclass(frozen=True)
class CellEstimate:
    """A cell, the runs of a study that differ only by seed; `left` of them are not complete.

    `published` is the paper's score in percent if it is for these settings; otherwise `differs` lists the differences. `told` is
    both in words. `departures` are those of the recipe from its release. `forward_gflops` is for one sample and `gpu_hours` for
    one run, None if unknown. `refused` is the reason if the runs cannot start; nothing is estimated then.
    """

    cell: str
    parts: tuple[str, ...]
    runs: int
    left: int
    metric: str
    published: float | None
    told: str
    differs: tuple[str, ...]
    departures: tuple[str, ...]
    parameters: int | None
    trainable_parameters: int | None
    forward_gflops: float | None
    training_flops: float | None
    gpu_hours: float | None
    refused: str | None = None


def cells(plan: Plan, refused: Mapping[str, str]) -> list[CellEstimate]:
    """The cells of a study's tasks, in the order of its parts; empty for a study without tasks.

    `refused` are the reasons why runs cannot start (`pipelines.planning.refused_runs`).
    """
    members: dict[str, list[RunSpec]] = {}
    names: dict[str, list[str]] = {}
    for part, specs in plan.parts.items():
        for spec in (spec for spec in specs if spec.task is not None):
            key = without_seed(spec)
            members.setdefault(key, [])
            if spec not in members[key]:
                members[key].append(spec)
            if part not in names.setdefault(key, []):
                names[key].append(part)
    epochs = auxiliary_epochs(plan.study)
    return [_cell(plan, specs, tuple(names[key]), epochs, refused.get(key)) for key, specs in members.items()]


def _cell(plan: Plan, specs: list[RunSpec], parts: tuple[str, ...], epochs: dict[str, int], refused: str | None) -> CellEstimate:
    spec = specs[0]
    costs = None if refused else _costs(plan, spec)
    known, same = entry_if_scored(spec, epochs), Sameness()
    for one in specs if known else ():
        same = same.joined(sameness(one, known_samples(plan, one), made_here(plan.study), epochs))
    score = known.published if known else None
    label = entry_of(spec, spec.task.dataset, epochs).label if spec.task else ""
    varied = f" ({label})" if label else ""
    return CellEstimate(
        cell=f"{cell_key(spec)}{varied}",
        parts=parts,
        runs=len(specs),
        left=len(plan.unfinished(specs)),
        metric=spec.metric,
        published=None if same.differs else score,
        told=told(score, same),
        differs=same.differs,
        departures=same.departs,
        parameters=costs.model.parameters if costs else None,
        trainable_parameters=costs.model.trainable_parameters if costs else None,
        forward_gflops=costs.model.forward_flops / 1e9 if costs else None,
        training_flops=costs.flops if costs else None,
        gpu_hours=costs.gpu_hours if costs else None,
        refused=refused,
    )


def _costs(plan: Plan, spec: RunSpec) -> RunCosts | None:
    facts = facts_of(plan.study, spec)
    return run_costs(spec, facts) if facts else None
