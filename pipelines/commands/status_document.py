"""What `status` tells, as one document: `--json` prints it, and the text is made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from m2pt.analysis.tables.left_out import SamplesUsed, mixtures
from m2pt.config import Study, UserError
from m2pt.data.fingerprints import CACHE
from m2pt.files.parsed import parsed
from m2pt.runs.folder import FILE_STATES, RECORD, RunState
from m2pt.runs.identity import run_id
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import Spec
from pipelines.execution.aside import undeclared
from pipelines.execution.device_hours import HOUR_S, used
from pipelines.execution.going import Going, going_on, seconds_left
from pipelines.execution.holders import Holder, holder_of_run, holder_of_study
from pipelines.execution.slurm import queue as slurm
from pipelines.housekeeping.project import space
from pipelines.planning import environments
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import Plan
from pipelines.planning.task_samples import task_samples
from pipelines.scheduling.killed import killed

_FORM = 1
"""Increase it when `_samples` comes to tell something else."""


@dataclass(frozen=True)
class Status:
    """A study now: the state of each run by its name, who does it, what goes on, and how much of a budget is used.

    `left_s` estimates the seconds until all runs have ended, None if that is unknown or nothing goes on. `queue` says how many
    runs SLURM has, by its name of their state, or why that is not known; None where nothing is submitted to it. `undeclared` goes
    on by a study file that was changed since, by the folder of each run.
    """

    plan: Plan
    states: dict[str, RunState]
    doer: Holder | None
    running: list[Going]
    left_s: float | None
    used_hours: float | None
    queue: Mapping[str, int] | str | None
    undeclared: Mapping[Path, Holder]

    @property
    def failed(self) -> list[Spec]:
        """The runs that failed."""
        return [spec for spec in self.plan.specs if self.states[self.plan.label(spec)] == RunState.FAILED]


def status_of(plan: Plan) -> Status:
    """What is going on in a study; reads its folders, and writes nothing."""
    states = {plan.label(spec): plan.state(spec) for spec in plan.specs}
    doer, running = holder_of_study(plan.study), going_on(plan, states)
    left_s = seconds_left(plan, states, running) if running else None
    used_hours, queue = None, _queue(plan.study)
    if plan.study.execution.max_device_hours is not None:
        used_hours = (used(plan) + sum((going.seconds or 0.0) * going.devices for going in running)) / HOUR_S
    others = {run_dir: who for run_dir in undeclared(plan) if (who := holder_of_run(run_dir)) is not None}
    return Status(plan, states, doer, running, left_s, used_hours, queue, others)


def _queue(study: Study) -> Mapping[str, int] | str | None:
    if study.execution.engine != "slurm":
        return None
    try:
        return slurm.counts(study.study)
    except UserError as error:
        return str(error)


def warnings(plan: Plan) -> list[str]:
    """What a reader of the results has to know, in sentences."""
    samples = [f"samples of {item.words}" for item in task_samples(plan)]
    return [*plan.faults, *environments.warnings(plan), *samples, *mixtures(_complete(plan))]


def _complete(plan: Plan) -> Iterator[SamplesUsed]:
    """What each complete run that the report compares used."""
    folder = runs_folder(plan.study)
    whole = [(name, spec) for spec in plan.compared if spec.ready and folder / (name := run_id(spec)) not in plan.damaged]
    targets = {f"{folder}/{name}/{RECORD}": spec.target for name, spec in whole}
    memory = CACHE / "parsed" / f"samples-{plan.study.study}.json"
    for file, (sha256, tested) in parsed(memory, _FORM, targets, _samples).items():
        yield SamplesUsed(targets[file], sha256, tested)


def _samples(file: Path) -> tuple[str | None, int]:
    record = read_record(file.parent, FinetuneRecord)
    return record.samples_sha256, record.test_samples


def document(status: Status) -> dict[str, Any]:
    """The status as `--json` prints it; docs/how-to/operate.md says what the keys mean."""
    plan = status.plan
    counts = {state: list(status.states.values()).count(state) for state in (*FILE_STATES, RunState.RUNNING, RunState.WAITING)}
    limit = plan.study.execution.max_device_hours
    return {
        "study": plan.study.study,
        "states": {str(state): count for state, count in counts.items()},
        "doer": _holder(status.doer),
        "queue": status.queue,
        "running": [_running(going) for going in status.running],
        "undeclared": [{"run_id": run_dir.name} | (_holder(who) or {}) for run_dir, who in status.undeclared.items()],
        "seconds_left": _rounded(status.left_s),
        "device_hours": None if status.used_hours is None else {"used": round(status.used_hours, 4), "limit": limit},
        "failed": [{"name": plan.label(spec), "run_id": run_id(spec), "error": failure_of(plan, spec)} for spec in status.failed],
        "warnings": warnings(plan),
        "killed_flow_runs": [str(flow_run) for flow_run in killed()],
        "space": [{"what": words, "bytes": size} for words, size in space(plan.study)],
    }


def failure_of(plan: Plan, spec: Spec) -> str:
    """Why a run failed; empty if that cannot be read."""
    return plan.failure(spec)


def _running(going: Going) -> dict[str, Any]:
    return {
        "name": going.name,
        "run_id": going.run_id,
        "kind": going.kind,
        "host": going.holder.host_name if going.holder else None,
        "pid": going.holder.pid if going.holder else None,
        "slot": going.slot,
        "device": going.device,
        "devices": going.devices,
        "since": _time(going.since),
        "seconds": _rounded(going.seconds),
        "progress": round(going.progress, 4),
        "seconds_left": _rounded(going.seconds_left),
        "until": _time(going.until),
    }


def _holder(holder: Holder | None) -> dict[str, Any] | None:
    return None if holder is None else {"host": holder.host_name, "pid": holder.pid}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
