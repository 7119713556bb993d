"""The slots of a Ray cluster, and the actor that holds the worker of one of them on its node."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from m2pt.config import ExecutionConfig, UserError
from m2pt.runs.environment import Compared
from m2pt.runs.inputs import JobInputs
from pipelines.execution.engine import JobResult
from pipelines.execution.process_environment import LOGS
from pipelines.execution.slot_pool import SlotPool
from pipelines.planning.environments import on_device
from pipelines.planning.slots import ONE_THREAD, Slot


@dataclass(frozen=True)
class RaySlot:
    """A place for one job at a time on a node: all devices of a job are on one node, because an actor's resources are."""

    name: str
    node: str
    """Ray's name of the node."""
    host: str
    cpus: float
    gpus: float


def ray_slots(nodes: Sequence[Mapping[str, Any]], execution: ExecutionConfig) -> list[RaySlot]:
    """The slots of the living nodes (`ray.nodes()`), in turn over the nodes, so that few jobs are spread.

    A job takes `execution.devices_per_job` GPUs and as many cores, or a part of a GPU with `execution.jobs_per_device`; without
    GPUs in the cluster, or with `execution.devices: cpu`, as many cores. `execution.slots` is the most of them.

    Raises:
        UserError: `execution.devices` names devices, which a cluster has on every node.

    """
    if execution.devices not in ("auto", "cpu"):
        raise UserError("execution.devices: names devices of one machine; with execution.engine: ray write auto or cpu.")
    alive = [node for node in nodes if node["Alive"]]
    on_gpus = execution.devices == "auto" and any(node["Resources"].get("GPU", 0) for node in alive)
    gpus = execution.devices_per_job / execution.jobs_per_device if on_gpus else 0.0
    cpus = float(execution.devices_per_job) if not on_gpus or execution.jobs_per_device == 1 else 0.0
    if on_gpus and execution.devices_per_job > 1 and execution.jobs_per_device > 1:
        raise UserError("execution.devices_per_job: jobs on several devices cannot share them; set jobs_per_device to 1.")
    by_node = [
        [
            RaySlot(
                f"{node['NodeManagerHostname']}.{node['NodeID'][:6]}.{index}",
                node["NodeID"],
                node["NodeManagerHostname"],
                cpus,
                gpus,
            )
            for index in range(count)
        ]
        for node in alive
        if (count := _fitting(node["Resources"], cpus, gpus))
    ]
    longest = max(map(len, by_node), default=0)
    fitting = [of_node[index] for index in range(longest) for of_node in by_node if index < len(of_node)]
    return fitting if execution.slots == "auto" else fitting[: execution.slots]


def _fitting(resources: Mapping[str, float], cpus: float, gpus: float) -> int:
    fits = [int(resources.get(kind, 0.0) / needed) for kind, needed in (("CPU", cpus), ("GPU", gpus)) if needed]
    return min(fits, default=0)


class SlotActor:
    """What an actor does on its node: it holds the worker process of one slot, and does what the engine of one machine does.

    Nothing is started if the node does not see the files `seen` in the folder `root`, where the project is.
    """

    def __init__(self, root: str, seen: Sequence[str], slot: RaySlot, command: Sequence[str], stop_limit_s: float) -> None:
        self._sees = all((Path(root) / name).is_file() for name in seen)
        self._device: Literal["cpu", "cuda"] = "cuda" if slot.gpus else "cpu"
        self._pool: SlotPool | None = None
        if self._sees:
            os.chdir(root)
            env = ONE_THREAD | ({} if slot.gpus else {"CUDA_VISIBLE_DEVICES": ""})  # with GPUs Ray has set it
            self._pool = SlotPool([Slot(slot.name, self._device, env)], command, LOGS, stop_limit_s)

    def environment(self) -> Compared | None:
        """In which environment the node computes; None if it does not see the project."""
        return on_device(self._device) if self._sees else None

    def warm(self) -> None:
        """Start the worker without waiting for it."""
        if self._pool is not None:
            self._pool.warm()

    def run(self, run_dir: str, inputs: JobInputs, time_limit_s: float) -> JobResult:
        """Do the job of one run, as `Engine.run`."""
        if self._pool is None:
            raise RuntimeError("this node does not see the project")
        return self._pool.run(Path(run_dir), inputs, time_limit_s)

    def close(self) -> None:
        """Let the job save and stop, and end the worker."""
        if self._pool is not None:
            self._pool.close()
