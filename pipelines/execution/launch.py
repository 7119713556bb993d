"""Run jobs in isolated processes on device slots: one long-lived worker per slot, a time limit per run, a lock per study.

A worker is `python -m m2pt.job --worker`: it imports everything once, says `{"ready": true}`, and then answers one line per run.
Its end of the pipe is closed when this process ends, however it ends, and then the worker leaves. A worker that dies or is
killed takes its own run with it and nothing else; the next run on its slot starts a fresh one.
"""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from m2pt.config import UserError
from m2pt.files.documents import write_json
from m2pt.runs.folder import FAILURE, INPUTS, LOG, RunState, is_complete
from pipelines.execution.worker import Worker, WorkerEndedError
from pipelines.planning.slots import Slot

WORKER_COMMAND = (sys.executable, "-m", "m2pt.job", "--worker")
_CLOSE_LIMIT_S = 3.0

Outcome = Literal[RunState.COMPLETE, RunState.FAILED]
"""The states in which a job can end."""


@dataclass(frozen=True)
class JobResult:
    """How one run ended; `seconds` is the time its worker spent on it."""

    run_dir: Path
    status: Outcome
    error: str | None
    slot: str
    seconds: float


class SlotPool:
    """Runs jobs on slots, each slot one job at a time; leaving the context ends every worker, in the middle of a run too.

    `logs` is the folder for what the workers write outside of runs (default: this process's standard error).
    """

    def __init__(self, slots: Sequence[Slot], worker_command: Sequence[str] | None = None, logs: Path | None = None) -> None:
        if not slots:
            raise ValueError("a pool needs at least one slot")
        self._workers = [Worker(slot, worker_command or WORKER_COMMAND, logs) for slot in slots]
        self._idle = self._workers[::-1]  # a stack: the worker used last is warm
        self._changed = threading.Condition()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def warm(self, jobs: int | None = None) -> None:
        """Start the workers of idle slots, for at most `jobs` jobs, without waiting until they are ready."""
        with self._changed:
            for worker in self._idle[::-1][:jobs]:
                if not self._closed:
                    worker.start()

    def run(self, run_dir: Path, inputs: Mapping[str, Any], time_limit_s: float) -> JobResult:
        """Do one run on the next free slot; blocks until it has ended. Many threads may call this at once.

        Writes the run's `local/inputs.json` (`inputs` and the slot's device) first, and its `local/failure.json` where the time
        limit or the death of the worker ended it. A run that `close` cut off leaves no failure: it goes on with the next start.
        """
        worker = self._take_slot()
        if worker is None:
            return _cut_off(run_dir, "")
        try:
            return self._run_on(worker, run_dir, inputs, time_limit_s)
        except BaseException:
            worker.close()
            raise
        finally:
            self._give_back(worker)

    def close(self) -> None:
        """End all workers; runs that are under way end as cut off. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.hang_up()
        deadline = time.monotonic() + _CLOSE_LIMIT_S
        for worker in self._workers:
            worker.kill(patience_s=max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._changed.wait_for(lambda: len(self._idle) == len(self._workers), _CLOSE_LIMIT_S)
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

    def _run_on(self, worker: Worker, run_dir: Path, inputs: Mapping[str, Any], limit_s: float) -> JobResult:
        slot, started = worker.slot.name, time.monotonic()
        try:
            write_json(run_dir / INPUTS, {**inputs, "device": worker.slot.device})
            self._start(worker)
            worker.wait_ready()
            started = time.monotonic()
            answer = worker.do(run_dir, limit_s)
        except TimeoutError:
            worker.close()
            kind, error = "time_limit", f"the run took longer than its time limit of {limit_s:g} s (execution.time_limit_s)"
        except WorkerEndedError as end:
            kind, error = "worker_died", f"the worker process on slot {slot} {end}; {run_dir / LOG} may say more"
        except UserError as fault:  # the run's folder cannot be written: there is no place for a failure.json either
            return JobResult(run_dir, RunState.FAILED, str(fault), slot, time.monotonic() - started)
        else:
            complete = answer.get("status") == RunState.COMPLETE
            return JobResult(
                run_dir, RunState.COMPLETE if complete else RunState.FAILED, answer.get("error"), slot, time.monotonic() - started
            )
        seconds = time.monotonic() - started
        if is_complete(run_dir):  # it ended between its last write and its answer
            return JobResult(run_dir, RunState.COMPLETE, None, slot, seconds)
        if self._closed:
            return _cut_off(run_dir, slot, seconds)
        with suppress(UserError):
            write_json(run_dir / FAILURE, {"error": error, "details": worker.last_words(), "kind": kind})
        return JobResult(run_dir, RunState.FAILED, error, slot, seconds)


def _cut_off(run_dir: Path, slot: str, seconds: float = 0.0) -> JobResult:
    return JobResult(run_dir, RunState.FAILED, "was stopped before its end; start again and it goes on", slot, seconds)
