"""Which samples of a study's tasks exist, before anything is run or decoded."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m2pt.analysis.paper.sameness import KnownSamples
from m2pt.config import UserError
from m2pt.data.fingerprints import CACHE
from m2pt.runs.folder import is_complete
from m2pt.runs.record import Counts, FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec
from m2pt.training.counts import documents, refusal
from pipelines.planning.folders import data_folder
from pipelines.planning.plan import Plan

_WITHOUT_MODEL = {
    "seed": 0, "replicate": None, "auxiliary": "", "method": "baseline", "setting": "scratch", "tuning": "full", "pathway": None,
    "rivals": None, "target_weights": None, "auxiliary_weights": None, "more_weights": (),
}  # fmt: skip


@dataclass(frozen=True)
class TaskSamples:
    """The counts of each split of a task, for `runs` of its runs; `fault` is why they cannot start, None if they can."""

    target: str
    runs: int
    counts: Mapping[str, Counts]
    fault: str | None

    @property
    def words(self) -> str:
        """One line for the terminal."""
        counts = "; ".join(f"{split} {_count_words(count)}" for split, count in self.counts.items())
        return ": ".join(filter(None, (self.target, counts))) + (f"; cannot start: {self.fault}" if self.fault else "")

    def document(self) -> dict[str, Any]:
        """As plain data; `unreadable` is null before it is known."""
        return {"target": self.target, "runs": self.runs, "splits": documents(self.counts), "fault": self.fault}


def task_samples(plan: Plan) -> list[TaskSamples]:
    """The samples of each task whose data exist, in the order of the runs; runs with equal counts and faults are together.

    Lists are read and files are looked for; which files can be decoded is known from earlier runs on this machine.
    """
    groups: dict[tuple[str, str, str], list[RunSpec]] = {}
    counted: dict[tuple[str, str, str], tuple[Mapping[str, Counts], str | None]] = {}
    count_once = functools.cache(functools.partial(count_samples, plan))
    for spec in plan.runs:
        if spec.task is not None and spec.target not in plan.missing_data:
            counts, fault = count_once(without_model(spec))
            key = (spec.target, repr(counts), fault or "")
            groups.setdefault(key, []).append(spec)
            counted[key] = counts, fault
    return [TaskSamples(key[0], len(specs), *counted[key]) for key, specs in groups.items()]


def known_samples(plan: Plan, spec: RunSpec) -> KnownSamples:
    """What is known about the samples of a run: its record if it is complete, else the counts of the lists, if there are any."""
    run_dir = plan.run_dir(spec)
    if run_dir is not None and is_complete(run_dir) and run_dir not in plan.damaged:
        return KnownSamples.of(read_record(run_dir, FinetuneRecord))
    return KnownSamples() if spec.target in plan.missing_data else KnownSamples(count_samples(plan, spec)[0])


def without_model(spec: RunSpec) -> RunSpec:
    """Equal for runs that read the same samples: the spec with everything else at a fixed value."""
    return spec.model_copy(update=_WITHOUT_MODEL)


def count_samples(plan: Plan, spec: RunSpec) -> tuple[Mapping[str, Counts], str | None]:
    """The counts of each split of a run's task, and why the run cannot start with them."""
    from m2pt.training.files import look  # published files are opened with what reads them

    try:
        counts = look(spec, data_folder(plan.study, spec.target), CACHE)
    except UserError as error:
        return {}, str(error).rstrip(".")
    refused = refusal(spec, counts)
    return counts, refused[1] if refused else None


def _count_words(count: Counts) -> str:
    if count.left_out:
        return f"lacks {count.words}"
    return f"{count.listed}, {'none absent, readability not checked yet' if count.unreadable is None else 'all there'}"
