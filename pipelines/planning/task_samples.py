"""What of the samples of a study's tasks is there, before anything is run or decoded."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m2pt.config import UserError
from m2pt.data.fingerprints import CACHE
from m2pt.runs.folder import is_complete
from m2pt.runs.record import read_record
from m2pt.runs.spec import RunSpec
from m2pt.training.counts import Counts, documents, refusal
from m2pt.training.files import look
from pipelines.planning.folders import data_folder
from pipelines.planning.plan import Plan

_DATA_ALONE = {
    "seed": 0, "auxiliary": "", "method": "baseline", "setting": "scratch", "tuning": "full", "pathway": None, "rivals": None,
    "target_weights": None, "auxiliary_weights": None, "more_weights": (),
}  # fmt: skip


@dataclass(frozen=True)
class TaskSamples:
    """The counts of each split of a task, for so many of its runs; `fault` is why they cannot start, None where they can."""

    target: str
    runs: int
    counts: Mapping[str, Counts]
    fault: str | None

    @property
    def words(self) -> str:
        """One line for people."""
        told = "; ".join(f"{split} {_told(count)}" for split, count in self.counts.items())
        return ": ".join(filter(None, (self.target, told))) + (f"; cannot start: {self.fault}" if self.fault else "")

    def document(self) -> dict[str, Any]:
        """As plain data; `unreadable` is null where nobody has looked yet."""
        return {"target": self.target, "runs": self.runs, "splits": documents(self.counts), "fault": self.fault}


def task_samples(plan: Plan) -> list[TaskSamples]:
    """The samples of each task whose data are there, in the order of the runs; runs that would be told the same are together.

    Lists are read and files are looked for; what can be read is known from runs that were done here.
    """
    found: dict[tuple[str, str, str], list[RunSpec]] = {}
    told: dict[tuple[str, str, str], tuple[Mapping[str, Counts], str | None]] = {}
    once = functools.cache(functools.partial(look_at, plan))
    for spec in plan.runs:
        if spec.task is not None and spec.target not in plan.missing_data:
            counts, fault = once(data_alone(spec))
            key = (spec.target, repr(counts), fault or "")
            found.setdefault(key, []).append(spec)
            told[key] = counts, fault
    return [TaskSamples(key[0], len(specs), *told[key]) for key, specs in found.items()]


def known_samples(plan: Plan, spec: RunSpec) -> Mapping[str, Any]:
    """What is known of the samples of a run: its record where it is complete, else the counts of the lists; or nothing."""
    run_dir = plan.run_dir(spec)
    if run_dir is not None and is_complete(run_dir):
        return read_record(run_dir)
    return {} if spec.target in plan.missing_data else {"samples": documents(look_at(plan, spec)[0])}


def data_alone(spec: RunSpec) -> RunSpec:
    """Equal for runs that find the same samples: the run without what has no part in that."""
    return spec.model_copy(update=_DATA_ALONE)


def look_at(plan: Plan, spec: RunSpec) -> tuple[Mapping[str, Counts], str | None]:
    """The counts of each split of a run's task, and why the run cannot start with them."""
    try:
        counts = look(spec, data_folder(plan.study, spec.target), CACHE)
    except UserError as error:
        return {}, str(error).rstrip(".")
    refused = refusal(spec, counts)
    return counts, refused[1] if refused else None


def _told(count: Counts) -> str:
    if count.left_out:
        return f"lacks {count.words}"
    return f"{count.listed}, {'none absent, unreadable not looked at yet' if count.unreadable is None else 'all there'}"
