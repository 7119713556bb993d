"""Submitting what is left of a study to SLURM: everything that can start, as arrays, and a small job that submits what waits."""

import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import submitit
from submitit.core.utils import DelayedSubmission

from m2pt.config import Study, UserError
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.spec import PretrainSpec, Spec
from pipelines.execution.expected import pace_of
from pipelines.execution.priority import in_order
from pipelines.execution.process_environment import prepare
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.execution.slurm.jobs import RunJob, goes_on
from pipelines.execution.slurm.queue import CONTINUATION, QueuedJob, Submitted, ask, folder_of, note, queued
from pipelines.planning.plan import FINE_TUNING, PRETRAINING

_MARGIN_S = 30
"""What a job is warned before its time limit, beyond what its run may take to save."""

_OFTEN = 1_000_000
"""How often a job that reached its time limit may go on: as often as its run needs."""

_UNHARMED = 'sh -c \'trap "" HUP INT TERM USR1 USR2; exec "$0" "$@"\' '
"""Starts a program that no signal ends before it can answer one. If SLURM means it, the job is killed later and queued again."""

_OPEN_LIMIT_S = 600.0
"""How long a job that submits waits for a command that has the study open."""


@dataclass(frozen=True)
class Continuation:
    """Submits, when the runs submitted so far have ended, those that waited for them."""

    root: Path
    study: Study
    before: frozenset[str]
    """The runs submitted so far, by id: one that failed is not tried again before somebody asks for it."""

    def __call__(self) -> str:
        """Submit them; returns what was submitted, in a sentence."""
        os.chdir(self.root)
        prepare()
        with _opened(self.study) as session:
            session.prepare(PRETRAINING, FINE_TUNING)
            known = {run: job for run, job in queued(self.study.study).items() if run != CONTINUATION}  # which is this job
            return _submit(session, (PRETRAINING, FINE_TUNING), known, self.before).sentence()

    def checkpoint(self) -> DelayedSubmission | None:
        """The same again, unless the job was cancelled."""
        return DelayedSubmission(self) if goes_on() else None


def submit(session: Session, *kinds: str) -> Submitted:
    """Submit the runs of these kinds that are neither complete nor in the queue; an encoder's come before those that need it.

    Raises:
        UserError: the settings are not those of SLURM, or SLURM refuses the jobs.

    """
    study = session.study
    require_possible(study)
    known = queued(study.study)
    return _submit(session, kinds, known, frozenset(known))


def require_possible(study: Study) -> None:
    """Raise `UserError` if a study declares what cannot be submitted."""
    execution = study.execution
    if study.search is not None:
        raise UserError(
            "search: chooses each trial by those before, for which a job of SLURM cannot wait; use execution.engine: ray."
        )
    if execution.devices not in ("auto", "cpu"):
        raise UserError("execution.devices: names devices of one machine; with execution.engine: slurm write auto or cpu.")
    if execution.jobs_per_device > 1:
        raise UserError("execution.jobs_per_device: a job of SLURM has its devices to itself; set it to 1.")


def _submit(session: Session, kinds: Sequence[str], known: Mapping[str, QueuedJob], before: frozenset[str]) -> Submitted:
    plan, name = session.look_again(), session.study.study
    asked: list[Spec] = [*(plan.pretrain if PRETRAINING in kinds else ()), *(plan.runs if FINE_TUNING in kinds else ())]
    left = plan.unfinished(asked)
    ready = {run_id(spec): spec for spec in left if plan.is_ready(spec)}
    todo = [spec for run, spec in ready.items() if run not in before and run not in known]
    again = sum(plan.state(spec) is RunState.FAILED for spec in todo)
    going = {job.job for job in known.values()}
    for kind in (PRETRAINING, FINE_TUNING):
        of_kind = [
            spec
            for spec in in_order(plan, todo, pace_of(plan, todo, 1))
            if isinstance(spec, PretrainSpec) == (kind == PRETRAINING)
        ]
        for specs in _chunks(of_kind):
            jobs = _array(session, specs)
            note(name, dict(zip(jobs, map(run_id, specs), strict=True)))
            going |= set(jobs)
    waiting = len(left) - len(ready) + plan.to_come.total()
    if waiting and going and CONTINUATION not in known:
        job = _continuation(session.study, Continuation(Path.cwd(), session.study, before | set(ready)), going)
        note(name, {job: CONTINUATION})
    return Submitted(len(todo), again, len(set(known) - {CONTINUATION}), waiting, stuck=not going)


def _array(session: Session, specs: Sequence[Spec]) -> list[str]:
    """Submit runs as one array; returns the job of each."""
    study = session.study
    device: Literal["cpu", "cuda"] = "cpu" if study.execution.devices == "cpu" else "cuda"
    jobs = []
    for spec in specs:
        run_dir, inputs = session.assigned(spec)
        jobs.append(RunJob(Path.cwd(), run_dir, inputs, device, study.execution.time_limit_s))
    devices = jobs[0].inputs.devices
    parameters = _parameters(study) | {"cpus_per_task": devices * study.execution.slurm.cores}
    parameters |= {"gpus_per_node": devices} if device == "cuda" else {}
    return _sent(study, parameters, jobs)


def _continuation(study: Study, continuation: Continuation, after: Collection[str]) -> str:
    """Submit the job that goes on when all jobs `after` have ended, however; returns it."""
    arrays = sorted({job.partition("_")[0] for job in after}, key=int)
    return _sent(study, _parameters(study) | {"cpus_per_task": 1, "dependency": ":".join(["afterany", *arrays])}, [continuation])[
        0
    ]


def _sent(study: Study, parameters: Mapping[str, Any], jobs: Sequence[Callable[[], str]]) -> list[str]:
    folder = folder_of(study.study).absolute()
    executor = submitit.SlurmExecutor(folder, max_num_timeout=_OFTEN, python=_UNHARMED + shlex.quote(sys.executable))
    try:
        executor.update_parameters(**parameters)
        with executor.batch():
            sent = [executor.submit(job) for job in jobs]
        return [str(job.job_id) for job in sent]
    except (OSError, RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise UserError(f"execution.slurm: SLURM does not take the jobs ({why}); what was submitted before stays.") from error


def _parameters(study: Study) -> dict[str, Any]:
    execution, slurm = study.execution, study.execution.slurm
    asked = {key: getattr(slurm, key) for key in ("partition", "account", "qos", "constraint")}
    return {key: value for key, value in asked.items() if value is not None} | {
        "job_name": f"m2pt-{study.study}",
        "time": slurm.minutes,
        "nodes": 1,
        "ntasks_per_node": 1,
        "mem": f"{round(slurm.memory_gb * 1024)}M" if slurm.memory_gb else None,
        "signal_delay_s": math.ceil(execution.stop_limit_s) + _MARGIN_S,
        "setup": list(slurm.setup) or None,
        "array_parallelism": _OFTEN if execution.slots == "auto" else execution.slots,
        "wckey": None,  # which submitit would set
        "additional_parameters": {"requeue": True, **slurm.options},
    }


def _chunks(specs: Sequence[Spec]) -> list[Sequence[Spec]]:
    """The runs, as many in each part as an array of this cluster may have."""
    if not specs:
        return []
    line = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config"), re.MULTILINE)
    most = int(line[1]) if line else 1000
    return [specs[start : start + most] for start in range(0, len(specs), most)]


@contextmanager
def _opened(study: Study) -> Iterator[Session]:
    """The session of a study, as soon as no other process has it open."""
    deadline = time.monotonic() + _OPEN_LIMIT_S
    with ExitStack() as stack:
        while True:
            try:
                session = stack.enter_context(Session(study, Display()))
                break
            except UserError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(2.0)
        yield session
