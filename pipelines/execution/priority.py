"""In which order runs begin: what takes longest first, counting what waits for it, so that no long run is left for the end.

Longest processing time first (Graham 1969, Bounds on Multiprocessing Timing Anomalies), over the longest chain of runs that one
holds up. Of runs that take equally long, those of one seed take turns between the data that they read, so that runs which begin
together do not wait for each other's decoding. The order changes no result; what waits for an encoder never begins before it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from m2pt.config import Study
from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.execution.display.pace import Pace
from pipelines.planning.grid import made_by
from pipelines.planning.plan import Plan
from pipelines.planning.task_facts import facts_of


def starts_of(plan: Plan, specs: Sequence[Spec]) -> dict[str, str]:
    """The encoder among `specs` that each of them starts from, by their names (`Plan.label`)."""
    makers = {made_by(plan.study, spec): plan.label(spec) for spec in specs if isinstance(spec, PretrainSpec)}
    starts = {plan.label(spec): makers.get(spec.start.key) for spec in specs if isinstance(spec, PretrainSpec) and spec.start}
    return {name: start for name, start in starts.items() if start is not None}


def in_order(plan: Plan, specs: Sequence[Spec], pace: Pace) -> list[Spec]:
    """The runs, those first that take longest together with the longest chain of runs that wait for them; equals in turns."""
    names = {plan.label(spec): spec for spec in specs}
    alone = _seconds(plan.study, names, pace)
    starts = starts_of(plan, specs)

    def chain(name: str) -> float:
        return alone[name] + max((chain(waiting) for waiting, start in starts.items() if start == name), default=0.0)

    chains = {name: chain(name) for name in names}
    turns = _turns((name, chains[name], spec) for name, spec in names.items())
    return [names[name] for name in sorted(names, key=lambda name: (-chains[name], turns[name]))]


def _turns(runs: Iterable[tuple[str, float, Spec]]) -> dict[str, tuple[int, int]]:
    """The place of each name among runs of the same time: seed by seed, the first of each data, then the second of each."""
    seeds: dict[int | None, int] = {}
    taken: Counter[tuple[float, int | None, str]] = Counter()
    turns: dict[str, tuple[int, int]] = {}
    for name, seconds, spec in runs:
        # Encoders have no seed in common that would have to be complete early.
        seed, data = (None, spec.modality) if isinstance(spec, PretrainSpec) else (spec.seed, spec.target)
        turns[name] = seeds.setdefault(seed, len(seeds)), taken[seconds, seed, data]
        taken[seconds, seed, data] += 1
    return turns


def _seconds(study: Study, names: dict[str, Spec], pace: Pace) -> dict[str, float]:
    """How long each run takes: by complete runs of its kind, or else by its costs, at the rate of the runs that have both."""
    known = {name: pace.expected(name) for name in names if pace.knows(name)}
    if len(known) == len(names):
        return known
    costs = {name: _cost(study, spec) for name, spec in names.items()}
    rate = sum(known.values()) / sum(costs[name] for name in known) if known else 1.0
    return {name: known.get(name, rate * cost) for name, cost in costs.items()}


def _cost(study: Study, spec: Spec) -> float:
    """What a run computes, compared with other runs of its phase: operations, or samples seen where these are not counted."""
    if isinstance(spec, PretrainSpec):
        return float(spec.pretrain.steps * spec.pretrain.batch_size)
    if (facts := facts_of(study, spec)) is not None:
        from m2pt.models.costs import run_costs  # with torch, which takes seconds

        return run_costs(spec, facts).flops
    return float(spec.finetune.epochs * (1 if spec.finetune.samples == "all" else spec.finetune.samples))
