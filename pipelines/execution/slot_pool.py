"""The engine of one machine: jobs in isolated processes on device slots, one long-lived worker per slot.

A worker is `python -m m2pt.job --worker`: it imports everything once, says `{"ready": true}`, and then answers one line per run.
Its end of the pipe is closed when this process ends, however it ends, and then the worker ends too. A worker that dies or is
killed takes its own run with it and nothing else; the next run on its slot starts a new one.
"""

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from m2pt.config import Study, UserError
from m2pt.runs.environment import Compared
from m2pt.runs.failure import Failure, FailureKind, read_failure, write_failure
from m2pt.runs.folder import LOG, RunState
from m2pt.runs.inputs import JobInputs, write_inputs
from m2pt.stop_limit import STOP_LIMIT_S
from pipelines.execution.engine import JobResult, result_of
from pipelines.execution.process_environment import LOGS
from pipelines.execution.worker import Worker, WorkerEndedError
from pipelines.planning.environments import on_device
from pipelines.planning.slots import Slot, slots

WORKER_COMMAND = (sys.executable, "-m", "m2pt.job", "--worker")
MARGIN_S = 1.0
"""What a process may need to end, beyond the limit that it has itself."""

CUT_OFF = "was stopped before its end; start again to continue it"


def local_engine(study: Study, worker_command: Sequence[str] = WORKER_COMMAND) -> "SlotPool":
    """The slots that a study declares on this machine (`execution.devices`, `.slots`, `.jobs_per_device`).

    Raises:
        UserError: this machine does not have the declared devices.

    """
    return SlotPool(slots(study.execution), worker_command, LOGS, study.execution.stop_limit_s)


class SlotPool:
    """Does jobs on slots, each slot one job at a time; leaving the context ends every worker, even in the middle of a job.

    `logs` is the folder for what the workers write outside of runs (default: this process's standard error). A job has
    `stop_limit_s` to finish its step and save.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        worker_command: Sequence[str] = WORKER_COMMAND,
        logs: Path | None = None,
        stop_limit_s: float = STOP_LIMIT_S,
    ) -> None:
        if not slots:
            raise ValueError("a pool needs at least one slot")
        self._workers = [Worker(slot, worker_command, logs) for slot in slots]
        self._idle = self._workers[::-1]  # a stack: the worker used last is warm
        self._changed = threading.Condition()
        self._closed = False
        self._patience_s = stop_limit_s + MARGIN_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def capacity(self) -> int:
        """How many slots there are."""
        return len(self._workers)

    def environment(self) -> Compared:
        """The environment of the first slot, which is that of all."""
        return on_device(self._workers[0].slot.device)

    def warm(self, jobs: int | None = None) -> None:
        """Start the workers of idle slots, for at most `jobs` jobs, without waiting until they are ready."""
        with self._changed:
            for worker in self._idle[::-1][:jobs]:
                if not self._closed:
                    worker.start()

    def run(self, run_dir: Path, inputs: JobInputs, time_limit_s: float) -> JobResult:
        """Do the job of one run on the next free slot; blocks until it has ended. Many threads may call this at once.

        Writes the run's `local/inputs.json` (`inputs` and the slot's device) first, and its `local/failure.json` if the time
        limit or the death of the worker ended the job. A job that `close` cut off leaves none: the next start continues it.
        """
        worker = self._take_slot()
        if worker is None:
            return result_of(run_dir, CUT_OFF, "", 0.0)
        try:
            return self._run_on(worker, run_dir, inputs, time_limit_s)
        except BaseException:
            worker.close()
            raise
        finally:
            self._give_back(worker)

    def close(self) -> None:
        """End all workers; their jobs save and stop, or are cut off at the limit. A second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.hang_up()
        deadline = time.monotonic() + self._patience_s
        for worker in self._workers:
            worker.kill(patience_s=max(0.0, deadline - time.monotonic()) if worker.busy else 0.0)
        with self._changed:
            self._changed.wait_for(lambda: len(self._idle) == len(self._workers), self._patience_s)
            for worker in self._idle:
                worker.close()

    def _take_slot(self) -> Worker | None:
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._closed)
            return None if self._closed else self._idle.pop()

    def _give_back(self, worker: Worker) -> None:
        with self._changed:
            self._idle.append(worker)
            self._changed.notify_all()

    def _start(self, worker: Worker) -> None:
        with self._changed:
            if self._closed:
                raise WorkerEndedError("was not started")
            worker.start()

    def _run_on(self, worker: Worker, run_dir: Path, inputs: JobInputs, limit_s: float) -> JobResult:
        slot, started = worker.slot.name, time.monotonic()
        kind: FailureKind | None = None
        told = False
        try:
            write_inputs(run_dir, inputs.model_copy(update={"device": worker.slot.device, "slot": worker.slot.name}))
            self._start(worker)
            worker.wait_ready()
            started = time.monotonic()
            answer = worker.do(run_dir, limit_s)
            error = answer.get("error")
            if answer.get("status") == RunState.INTERRUPTED:
                raise WorkerEndedError("was told to stop", told=True)
        except TimeoutError:
            worker.close()
            kind, error = "time_limit", f"the run took longer than its time limit of {limit_s:g} s (execution.time_limit_s)"
        except WorkerEndedError as end:
            worker.close()
            told = end.told
            kind, error = "worker_died", f"the worker process on slot {slot} {end}; {run_dir / LOG} may say more"
        except UserError as fault:  # the run's folder cannot be written, which leaves no place for a failure.json either
            error = str(fault)
        result = result_of(run_dir, error, slot, time.monotonic() - started)
        if result.status == RunState.COMPLETE:
            return result
        if kind is None:  # the job itself says why, also of the processes that share it
            died = _kind(run_dir, result.error) == "worker_died"
            if died:  # what it lost, such as a device, the next job on this slot shall have
                worker.close()
            return replace(result, died=died)
        if self._closed:
            return result_of(run_dir, CUT_OFF, slot, result.seconds)
        if not told:  # otherwise it is no failure: the next start continues it
            with suppress(UserError):
                write_failure(run_dir, Failure(error=error or "", details=worker.last_words(), kind=kind))
        return replace(result, died=kind == "worker_died")


def _kind(run_dir: Path, error: str | None) -> FailureKind | None:
    """The kind of the failure that a job recorded with this error; None if it recorded none, or an earlier attempt's is there."""
    try:
        failure = read_failure(run_dir)
    except UserError:
        return None
    return failure.kind if failure.error == error else None
