"""Whether the runs of a study come from one environment, as runs that are compared with one another should.

Encoders are compared with encoders, and fine-tuning runs with fine-tuning runs.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from m2pt.config import Study, refuses_unknown
from m2pt.data.fingerprints import CACHE
from m2pt.files.parsed import parsed
from m2pt.runs.attempts import NOT_RECORDED, contributing, current_attempt, read_attempts
from m2pt.runs.environment import WAY_OUT, Compared, differences, facts, processor_name, with_algorithms
from m2pt.runs.folder import ATTEMPT, CHECKPOINT, EXECUTION, is_complete
from m2pt.runs.spec import Spec
from pipelines.planning.capability import known_capability
from pipelines.planning.job_inputs import THREADS
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, Plan
from pipelines.planning.slots import device_name, slots

_FORM = 1
"""Increase it when `of_run` comes to tell something else."""

_COMPARED = TypeAdapter(list[Compared])

_CONSEQUENCES = {
    "refuse": f"new runs are refused; {WAY_OUT}",
    "redo": "these runs will be repeated",
    "mix": "the report lists every environment",
}


def here(study: Study) -> Compared:
    """The environment in which the runs of a study would be computed now, on this machine."""
    return declared(on_device(slots(study.execution)[0].device), study)


@refuses_unknown
def on_device(device: Literal["cpu", "cuda"]) -> Compared:
    """The environment of a run on a device of this machine."""
    capability = known_capability(CACHE)
    return facts(device, processor_name() if device == "cpu" else device_name(), THREADS, capability).compared


def declared(environment: Compared, study: Study) -> Compared:
    """The environment of a device as a study uses it (`execution.deterministic`)."""
    return with_algorithms(environment, deterministic=study.execution.deterministic)


def recorded(plan: Plan, specs: Sequence[Spec]) -> dict[Path, list[Compared]]:
    """The folders of runs that are complete or have a checkpoint, and the environments that their numbers come from."""
    run_dirs = [run_dir for spec in specs if (run_dir := plan.run_dir(spec)) is not None and _has_numbers(run_dir)]
    whole = {f"{run_dir}/{EXECUTION}": run_dir for run_dir in run_dirs if not os.path.lexists(f"{run_dir}/{ATTEMPT}")}
    memory = CACHE / "parsed" / f"environments-{plan.study.study}-{specs[0].kind if specs else ''}.json"
    ended = parsed(memory, _FORM, whole, lambda file: [[*map(list, compared)] for compared in of_run(whole[str(file)])])
    as_read: dict[int, list[Compared]] = {}  # equal values are one object
    try:
        for value in ended.values():
            if id(value) not in as_read:
                as_read[id(value)] = _COMPARED.validate_python(value)
    except ValidationError:  # what is remembered was damaged
        ended = {}
        with suppress(OSError):
            memory.unlink()
    known = {whole[file]: as_read[id(value)] for file, value in ended.items()}
    return {run_dir: known[run_dir] if run_dir in known else of_run(run_dir) for run_dir in run_dirs}


def _has_numbers(run_dir: Path) -> bool:
    return is_complete(run_dir) or (run_dir / CHECKPOINT).is_file()


def of_run(run_dir: Path) -> list[Compared]:
    """The environments that the numbers of a run come from; if none is recorded, one in which everything is unknown."""
    attempts, killed = list(read_attempts(run_dir)), current_attempt(run_dir)
    if killed is not None:
        attempts.append(killed)  # it is not listed yet
    return list(dict.fromkeys(attempt.compared for attempt in contributing(attempts) or [NOT_RECORDED]))


def differing(known: Mapping[Path, Sequence[Compared]], ours: Compared) -> dict[Path, str]:
    """The runs that were computed in another environment than `ours`, each with the differences."""
    words_of = {
        theirs: "; ".join(", ".join(differ) for their in theirs if (differ := differences(their, ours)))
        for theirs in set(map(tuple, known.values()))  # thousands of runs come from few environments
    }
    listed = {run_dir: words_of[tuple(theirs)] for run_dir, theirs in known.items()}
    return {run_dir: words for run_dir, words in listed.items() if words}


def warnings(plan: Plan) -> list[str]:
    """A sentence for each kind of run that comes, or would come, from several environments: how they differ, what follows."""
    if plan.study.execution.engine != "local":  # what the nodes are is known when they are reached
        return []
    rule = plan.study.execution.other_environment
    sentences = []
    for kind, specs in ((PRETRAINING, plan.pretrain), (FINE_TUNING, plan.runs)):
        known = recorded(plan, specs)
        others = differing(known, here(plan.study)) if known else {}
        if others and (plan.unfinished(specs) or plan.to_come or rule == "redo"):
            sentences.append(f"{clause(others, kind)}; {_CONSEQUENCES[rule]}.")
        elif is_mixed(known):
            sentences.append(f"{clause(others, kind)} are compared with others; {_CONSEQUENCES['mix']}.")
    return sentences


def is_mixed(known: Mapping[Path, Sequence[Compared]]) -> bool:
    """Whether the runs come from more than one environment, as when some were put aside and moved back."""
    distinct = list(dict.fromkeys(their for theirs in known.values() for their in theirs))
    return any(differences(other, distinct[0]) for other in distinct[1:])


def clause(differing: Mapping[Path, str], kind: str) -> str:
    """How many runs differ, and in what."""
    counts = Counter(differing.values())
    return "; ".join(f"{count} {kind} run{'s' if count > 1 else ''} computed with {words}" for words, count in counts.items())
