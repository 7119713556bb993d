"""How runs are executed; nothing here can change a number."""

from typing import Literal

from m2pt.config.base import Frozen, NonNegative, Positive, PositiveFloat
from m2pt.stop_limit import STOP_LIMIT_S


class ExecutionConfig(Frozen):
    """How runs are executed; nothing here can change a number, so nothing here is part of a run's identity."""

    devices: Literal["auto", "cpu"] | tuple[str, ...] = "auto"
    """Every CUDA device, or CPU slots where there is none (`auto`); `cpu`; or a list of CUDA devices by name."""
    jobs_per_device: Positive = 1
    """Jobs at once on each CUDA device."""
    slots: Literal["auto"] | Positive = "auto"
    """Jobs at once on the CPU; `auto` is one per usable core."""
    time_limit_s: PositiveFloat = 3600.0
    """Seconds after which a run is stopped."""
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
    gradient_checkpointing: bool = False
    """Compute activations again for the gradient, to save memory."""
    loader_workers: NonNegative = 0
    """Processes that read files, for each device."""
    other_environment: Literal["refuse", "redo", "mix"] = "refuse"
    """If complete runs were computed with other source code, packages or kind of device: `refuse` to put new ones next to
    them, `redo` all of them here (the old ones are kept), or `mix` them (the report names every group)."""
