"""Whether the runs of a study were, and would be, computed in one environment: what is compared with one another should be.

Encoders are compared with encoders, and fine-tuning runs with fine-tuning runs.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from m2pt.config import Study
from m2pt.files.documents import read_json
from m2pt.runs.environment import WAY_OUT, Compared, compared, contributing, differences, facts, processor_name
from m2pt.runs.folder import ATTEMPT, CHECKPOINT, EXECUTION, is_complete
from m2pt.runs.spec import Spec
from pipelines.planning.job_inputs import THREADS
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, Plan
from pipelines.planning.slots import device_name, slots

_ENDS = {
    "refuse": f"new ones beside them are refused; {WAY_OUT}",
    "redo": "they will be done anew",
    "mix": "the report names them all",
}


def here(study: Study) -> Compared:
    """The environment that the runs of a study would be computed in now."""
    first = slots(study.execution)[0]
    name = processor_name() if first.device == "cpu" else device_name()
    return compared(facts(first.device, name, THREADS))


def recorded(plan: Plan, specs: Sequence[Spec]) -> dict[Path, list[Compared]]:
    """The folders of runs that are complete or can go on from a checkpoint, and the environments that their numbers come from."""
    found = {}
    for spec in specs:
        run_dir = plan.run_dir(spec)
        if run_dir is not None and (is_complete(run_dir) or (run_dir / CHECKPOINT).is_file()):
            found[run_dir] = of_run(run_dir)
    return found


def of_run(run_dir: Path) -> list[Compared]:
    """The environments that the numbers of a run come from; one in which nothing is known where none is recorded."""
    attempts = read_json(run_dir / EXECUTION)["attempts"] if (run_dir / EXECUTION).is_file() else []
    if (run_dir / ATTEMPT).is_file():  # killed, and not in the ledger yet
        attempts = [*attempts, read_json(run_dir / ATTEMPT)]
    return list(dict.fromkeys(compared(attempt) for attempt in contributing(attempts) or [{}]))


def differing(known: Mapping[Path, Sequence[Compared]], ours: Compared) -> dict[Path, str]:
    """The runs that were computed in another environment than `ours`, each with what differs."""
    said = {
        run_dir: "; ".join(", ".join(found) for there in theirs if (found := differences(there, ours)))
        for run_dir, theirs in known.items()
    }
    return {run_dir: words for run_dir, words in said.items() if words}


def warnings(plan: Plan) -> list[str]:
    """What was computed otherwise than what is to come would be, and what becomes of it."""
    ours, rule = here(plan.study), plan.study.execution.other_environment
    found = []
    for kind, specs in ((PRETRAINING, plan.pretrain), (FINE_TUNING, plan.runs)):
        known = recorded(plan, specs)
        others = differing(known, ours)
        if others and (plan.unfinished(specs) or plan.to_come or rule == "redo"):
            found.append(f"{sentence(others, kind)}; {_ENDS[rule]}.")
        elif is_mixed(known):
            found.append(f"{sentence(others, kind)} stand beside others; {_ENDS['mix']}.")
    return found


def is_mixed(known: Mapping[Path, Sequence[Compared]]) -> bool:
    """Whether runs that stand come from more than one environment: some may have been put aside and come back."""
    places = list(dict.fromkeys(there for theirs in known.values() for there in theirs))
    return any(differences(other, places[0]) for other in places[1:])


def sentence(found: Mapping[Path, str], kind: str) -> str:
    """What differs, and of how many runs."""
    counts = Counter(found.values())
    said = [f"{count} {kind} run{'s' if count > 1 else ''} computed with {words}" for words, count in counts.items()]
    return "; ".join(said)
