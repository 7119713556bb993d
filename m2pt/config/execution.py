"""How runs are executed; nothing here can change a number."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from m2pt.config.base import Frozen, Name, NonNegative, Positive, PositiveFloat
from m2pt.stop_limit import STOP_LIMIT_S


class RayConfig(Frozen):
    """The Ray cluster that does the runs with `execution.engine: ray`."""

    address: str | None = None
    """`auto`, or HOST:PORT of a cluster that runs; without one, that of the variable `RAY_ADDRESS`, or else a cluster of this
    machine that is started and ended with the study."""
    wait_s: PositiveFloat = 60.0
    """Seconds that a slot which other programs of the cluster have taken is waited for, at the start and once its job is gone."""


class SlurmConfig(Frozen):
    """What a job of `execution.engine: slurm` asks SLURM for, besides the devices of its run."""

    partition: str | None = None
    """The partition; without one, SLURM's default."""
    account: str | None = None
    """The account that pays."""
    qos: str | None = None
    """The quality of service."""
    constraint: str | None = None
    """Features that a node must have, such as a kind of GPU."""
    minutes: Positive = 60
    """The time limit of a job. A run that needs more goes on in the same job, which is queued again, from a checkpoint."""
    memory_gb: PositiveFloat | None = None
    """Memory of a job; without it, SLURM's default."""
    cores: Positive = 1
    """Cores for each device of a run, with the processes that read files (`loader_workers`)."""
    setup: tuple[str, ...] = ()
    """Lines of shell that a job runs first, such as `module load cuda`."""
    options: Mapping[str, str] = Field(default_factory=dict)
    """Further options of `sbatch`, by their long names."""


OutOfMemory = Literal["fail", "halve"]


class ExecutionConfig(Frozen):
    """How runs are executed; nothing here is meant to change a number, so nothing here is part of a run's identity."""

    engine: Literal["local", "ray", "slurm"] = "local"
    """What does the runs: processes on this machine, on the nodes of a Ray cluster, or jobs of SLURM."""
    ray: RayConfig = RayConfig()
    """The Ray cluster of `engine: ray`."""
    slurm: SlurmConfig = SlurmConfig()
    """The jobs of `engine: slurm`."""
    devices: Literal["auto", "cpu"] | tuple[str, ...] = "auto"
    """Every CUDA device, or CPU slots where there is none (`auto`); `cpu`; or a list of CUDA devices by name."""
    jobs_per_device: Positive = 1
    """Jobs at once on each CUDA device."""
    slots: Literal["auto"] | Positive = "auto"
    """Jobs at once on the CPU; `auto` is one per usable core."""
    time_limit_s: PositiveFloat = 3600.0
    """Seconds after which a run is stopped."""
    max_device_hours: PositiveFloat | None = None
    """Hours, times devices, that the runs of the study may use in all, encoders and earlier starts included. Before they are
    passed, the runs save and end, and the study ends with what is missing; raise it to go on."""
    checkpoint_every_epochs: Positive = 1
    """Epochs from one checkpoint to the next."""
    checkpoint_every_steps: Positive | None = None
    """Also write a checkpoint after this number of steps within an epoch."""
    checkpoint_every_seconds: PositiveFloat | None = None
    """Also write a checkpoint, after a step, when the last one is this old."""
    stop_limit_s: PositiveFloat = STOP_LIMIT_S
    """Seconds that a run has to finish its step and save when it is told to stop; then it is cut off."""
    devices_per_job: Positive = 1
    """Devices that train one model; the result is the same up to the order of sums."""
    micro_batch: Positive | None = None
    """Most samples that a device computes at once; a group of `finetune.norm_rows` is never split. The result is the same
    up to the order of sums."""
    micro_batch_of: Annotated[dict[Name, Positive], Field(exclude_if=lambda given: not given)] = Field(default_factory=dict)
    """The same for single targets, by name (`{coco: 2}`): pictures of objects need far more memory than other samples."""
    out_of_memory: OutOfMemory = "fail"
    """If a device has too little memory for a run on one device: `fail` it, or `halve` the samples that are computed at once and
    go on from the last checkpoint, as often as it takes. The run's log says so."""
    deterministic: bool = True
    """Whether equal runs give equal bits. `false` lets torch choose the fastest algorithms of the device: it is recorded as
    another environment, so such runs are not compared with others unless `other_environment` says so."""
    gradient_checkpointing: bool = False
    """Compute activations again for the gradient, to save memory."""
    loader_workers: NonNegative = 0
    """Processes that read files, for each device."""
    other_environment: Literal["refuse", "redo", "mix"] = "refuse"
    """If complete runs were computed with other source code, packages or kind of device: `refuse` to put new ones next to
    them, `redo` all of them here (the old ones are kept), or `mix` them (the report names every group)."""

    def rows_at_once(self, target: str) -> int | None:
        """The most samples of a target that a device computes at once; None without a limit."""
        return self.micro_batch_of.get(target, self.micro_batch)
