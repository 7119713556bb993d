"""The engine of a Ray cluster: one long-lived worker for each slot of its nodes, held by an actor (`slots.SlotActor`).

Ray finds nodes and devices, starts the actors and notices what dies. It repeats nothing (`max_restarts` and `max_task_retries`
are 0), and knows nothing of runs: an actor does with its worker what the engine of one machine does, so that a run computes the
same, has the same limits, and saves and stops in the same way. Runs lie on a disk that every node sees under the same path.
"""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from m2pt.config import Study, UserError
from m2pt.runs.environment import Compared
from m2pt.runs.failure import Failure, write_failure
from m2pt.runs.folder import RunState, is_complete
from m2pt.runs.inputs import JobInputs
from pipelines.execution.engine import JobResult, result_of
from pipelines.execution.ray.connection import first_line, installed, joined
from pipelines.execution.ray.slots import RaySlot, SlotActor, ray_slots
from pipelines.execution.slot_pool import CUT_OFF, MARGIN_S, WORKER_COMMAND
from pipelines.execution.worker import START_LIMIT_S
from pipelines.planning.folders import encoders_folder, runs_folder

_SEEN_LIMIT_S = 60.0
"""How long a file that another node has written may take to be seen here: network disks remember what was not there."""

_POLL_S = 1.0


class RayCluster:
    """Does jobs on the slots of a Ray cluster: that at `cluster_address`, or one on this machine that ends with it.

    A node that does not see the folders of the study is left out, and named.
    """

    def __init__(self, study: Study, worker_command: Sequence[str] = WORKER_COMMAND) -> None:
        self._execution = study.execution
        self._folders = (runs_folder(study), encoders_folder(study))
        self._command = worker_command
        self._changed = threading.Condition()
        self._joined = False
        self._left = ExitStack()
        """What is to be done to leave the cluster."""
        self._closed = False
        self._actors: dict[RaySlot, Any] = {}
        self._idle: list[RaySlot] = []
        self._environment: Compared | None = None

    @property
    def capacity(self) -> int:
        """How many slots the cluster has. The first question joins it.

        Raises:
            UserError: Ray is not installed, the cluster cannot be reached, or no node of it can do runs.

        """
        self._join()
        return max(1, len(self._actors))

    def environment(self) -> Compared:
        """The environment of the first slot; a job on a node with another one refuses to be compared. Raises as `capacity`."""
        self._join()
        if self._environment is None:
            raise RuntimeError("the cluster was left")
        return self._environment

    def warm(self, jobs: int) -> None:
        """Start the workers of idle slots, for at most `jobs` jobs, without waiting until they are ready."""
        self._join()
        with self._changed:
            for slot in self._idle[::-1][:jobs]:
                self._actors[slot].warm.remote()

    def run(self, run_dir: Path, inputs: JobInputs, time_limit_s: float) -> JobResult:
        """Do the job of one run on the next free slot; blocks until it has ended. As `Engine.run`."""
        self._join()
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._closed or not self._actors)
            if self._closed:
                return result_of(run_dir, CUT_OFF, "", 0.0)
            if not self._idle:
                return result_of(run_dir, "no node of the Ray cluster is left that could do it; start again to go on", "", 0.0)
            slot = self._idle.pop()
            actor = self._actors[slot]
        try:
            return self._run_on(slot, actor, run_dir, inputs, time_limit_s)
        finally:
            with self._changed:
                if slot in self._actors:
                    self._idle.append(slot)
                self._changed.notify_all()

    def close(self) -> None:
        """Let the jobs save and stop, end the workers, and leave the cluster; a second call does nothing."""
        with self._changed:
            first, self._closed = not self._closed, True
            self._changed.notify_all()
        if not first or not self._joined:
            return
        ray = installed()
        ending = [actor.close.remote() for actor in self._actors.values()]
        limit_s = self._execution.stop_limit_s + 2 * MARGIN_S
        ray.wait(ending, num_returns=len(ending), timeout=limit_s)
        with self._changed:
            self._changed.wait_for(lambda: len(self._idle) == len(self._actors), MARGIN_S)
            for actor in self._actors.values():
                ray.kill(actor)
        self._left.close()

    def _join(self) -> None:
        with self._changed:
            if self._joined or self._closed:
                return
            with ExitStack() as joining:
                self._find(joining.enter_context(joined(self._execution)))
                self._left = joining.pop_all()
            self._joined = True

    def _find(self, ray: ModuleType) -> None:
        """Start an actor on each slot, and keep those that answer and see the folders of the study."""
        slots = ray_slots(ray.nodes(), self._execution)
        if not slots:
            raise UserError("execution.engine: no node of the Ray cluster has the devices or cores of a job; see `ray status`.")
        with _tokens(self._folders) as tokens:
            actors = {slot: self._hire(ray, slot, tokens) for slot in slots}
            able, reasons = _answers(ray, actors, self._execution.ray.wait_s)
        if not able:
            raise UserError(f"execution.engine: no node of the Ray cluster can do runs: {'; '.join(reasons)}.")
        for reason in reasons:
            print(f"execution.engine: {reason}; the others do the runs.", flush=True)
        for slot in slots:
            if slot not in able:
                ray.kill(actors[slot])
        self._actors = {slot: actors[slot] for slot in slots if slot in able}
        self._idle = list(self._actors)[::-1]
        self._environment = able[self._idle[-1]]

    def _hire(self, ray: ModuleType, slot: RaySlot, seen: Sequence[str]) -> Any:
        """Start the actor of a slot, on its node and on no other."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = ray.remote(SlotActor).options(
            num_cpus=slot.cpus,
            num_gpus=slot.gpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=3,  # a job, what ends it, and a question
            scheduling_strategy=NodeAffinitySchedulingStrategy(slot.node, soft=False),
        )
        return remote.remote(str(Path.cwd()), seen, slot, self._command, self._execution.stop_limit_s)

    def _run_on(self, slot: RaySlot, actor: Any, run_dir: Path, inputs: JobInputs, limit_s: float) -> JobResult:
        ray = installed()
        started = time.monotonic()
        try:
            result: JobResult = ray.get(actor.run.remote(str(run_dir), inputs, limit_s))
        except ray.exceptions.RayError as error:
            return self._lost(slot, run_dir, error, time.monotonic() - started)
        if self._closed and result.status != RunState.COMPLETE:
            return result_of(run_dir, CUT_OFF, slot.name, result.seconds)
        if result.status == RunState.COMPLETE and not _comes_into_sight(run_dir):
            late = f"{run_dir} is complete on {slot.host}, but its record is not seen here after {_SEEN_LIMIT_S:g} s"
            return JobResult(run_dir, RunState.FAILED, f"{late}; is it the same disk?", slot.name, result.seconds)
        return result

    def _lost(self, slot: RaySlot, run_dir: Path, error: Exception, seconds: float) -> JobResult:
        """The result of a job whose actor is gone; its slot gets another one, or is given up."""
        if self._closed:
            return result_of(run_dir, CUT_OFF, slot.name, seconds)
        result = result_of(run_dir, f"the worker on {slot.host} is gone ({first_line(error)})", slot.name, seconds)
        self._replace(slot)
        if result.status == RunState.COMPLETE:
            return result
        with suppress(UserError):
            write_failure(run_dir, Failure(error=result.error or "", details=str(error), kind="worker_died"))
        return replace(result, died=True)

    def _replace(self, slot: RaySlot) -> None:
        """Give the slot another actor once that answers, or give it up.

        For some seconds Ray shows a dead node as alive, and accepts actors for it, which never answer.
        """
        ray = installed()
        with self._changed:
            if self._closed:
                return
            actor = self._actors[slot] = self._hire(ray, slot, ())
        deadline = time.monotonic() + self._execution.ray.wait_s
        question, answered = actor.environment.remote(), False
        while not answered and time.monotonic() < deadline and _lives(ray, slot.node):
            answered = bool(ray.wait([question], timeout=_POLL_S)[0])
        try:
            ray.get(question, timeout=0)
        except ray.exceptions.RayError:  # that there is no answer yet is one of them
            with self._changed:
                del self._actors[slot]
            ray.kill(actor)


def _lives(ray: ModuleType, node: str) -> bool:
    return any(one["NodeID"] == node and one["Alive"] for one in ray.nodes())


def _answers(ray: ModuleType, actors: Mapping[RaySlot, Any], wait_s: float) -> tuple[dict[RaySlot, Compared], list[str]]:
    """The environments of the slots that can do runs, and why others cannot."""
    asked = {actor.environment.remote(): slot for slot, actor in actors.items()}
    ray.wait(list(asked), num_returns=1, timeout=START_LIMIT_S)
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=wait_s)
    able: dict[RaySlot, Compared] = {}
    blind, broken = set(), {}
    for question in answered:
        slot = asked[question]
        try:
            environment: Compared | None = ray.get(question)
        except ray.exceptions.RayError as error:
            broken[slot.host] = first_line(error)
            continue
        if environment is None:
            blind.add(slot.host)
        else:
            able[slot] = environment
    reasons = [f"{host} does not see {Path.cwd()}, which must be mounted there under the same path" for host in sorted(blind)]
    reasons += [f"{host} cannot start a worker ({why})" for host, why in sorted(broken.items())]
    return able, reasons + ([f"{len(silent)} slots are taken by other programs of the cluster"] if silent else [])


@contextmanager
def _tokens(folders: Sequence[Path]) -> Iterator[list[str]]:
    """A new file in each folder, which a node sees that sees the folder."""
    files = [folder.absolute() / f".seen-{secrets.token_hex(8)}" for folder in folders]
    try:
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        yield [str(file) for file in files]
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _comes_into_sight(run_dir: Path) -> bool:
    deadline = time.monotonic() + _SEEN_LIMIT_S
    while not is_complete(run_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
