"""What a job of SLURM does on its node: one run.

Submitit brings a job to its node, and queues it again when SLURM sends it away (SIGUSR2 before the time limit; every signal that
lets a run save is answered in the same way here). A node needs neither Prefect nor MLflow.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from submitit.core.utils import DelayedSubmission

from m2pt.config import UserError
from m2pt.runs.folder import FAILURE
from m2pt.runs.inputs import JobInputs
from m2pt.training.stopping import SIGNALS
from pipelines.execution.engine import JobResult
from pipelines.execution.slot_pool import WORKER_COMMAND, SlotPool
from pipelines.planning.slots import ONE_THREAD, Slot

_NODE = "SLURMD_NODENAME"


class RunJob:
    """Does one run on the node to which SLURM has brought it. A run whose worker died is tried once more, as on one machine."""

    def __init__(self, root: Path, run_dir: Path, inputs: JobInputs, device: Literal["cpu", "cuda"], limit_s: float) -> None:
        self.root = root
        self.run_dir = run_dir
        self.inputs = inputs
        self.device = device
        self.limit_s = limit_s

    def __call__(self) -> str:
        """Do the run; returns how it ended, in a sentence."""
        os.chdir(self.root)
        for number in SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.SIG_IGN):  # the worker, which SLURM signals too, answers it
                signal.signal(number, lambda *_: None)
        env = ONE_THREAD | ({} if self.device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""})  # of its GPUs SLURM has set it
        slot = Slot(os.environ.get(_NODE, "slurm"), self.device, env)
        # Its own thread, because submitit's answer to a signal interrupts this one, and waits for the run to save.
        with SlotPool([slot], WORKER_COMMAND, None, self.inputs.stop_limit_s) as self._pool, ThreadPoolExecutor(1) as thread:
            result = thread.submit(self._do).result()
        if result.error is None:
            return f"{self.run_dir}: complete"
        if not (self.run_dir / FAILURE).is_file():  # it was told to stop, by a signal that submitit does not answer
            signal.raise_signal(signal.SIGUSR2)
        return result.error

    def checkpoint(self) -> DelayedSubmission | None:
        """Let the run save; returns what goes on with it, None if the job was cancelled."""
        self._pool.close()
        return DelayedSubmission(RunJob(self.root, self.run_dir, self.inputs, self.device, self.limit_s)) if goes_on() else None

    def _do(self) -> JobResult:
        result = self._pool.run(self.run_dir, self.inputs, self.limit_s)
        if result.died and (self.run_dir / FAILURE).is_file():
            result = self._pool.run(self.run_dir, self.inputs, self.limit_s)
        return result


def own_id(environment: Mapping[str, str]) -> str:
    """SLURM's id of the job of a process. A job of an array may share its number (`SLURM_JOB_ID`) with the whole array."""
    if "SLURM_ARRAY_JOB_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment["SLURM_JOB_ID"]


def goes_on() -> bool:
    """Whether this job is to be queued again: SLURM sends it away, or somebody asked it to stop, but nobody has cancelled it."""
    job = own_id(os.environ)
    command = ["squeue", "--noheader", "--format=%T", "--jobs", job]
    try:
        state = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"squeue: does not say in which state job {job} is ({error}).") from error
    return state == "RUNNING"
