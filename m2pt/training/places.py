"""Where a fine-tuning run finds its weights on this machine, and how it executes."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from m2pt.training.share import Share
from m2pt.training.startable import Means
from m2pt.training.stopping import Stop


@dataclass(frozen=True)
class Places:
    """Files of weights, devices and the size of steps; nothing here changes a number except by the order of sums."""

    target_weights: Path | None = None
    auxiliary_weights: tuple[Path, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    share: Share = field(default_factory=Share)
    checkpoint_every_epochs: int = 1
    checkpoint_every_steps: int | None = None
    checkpoint_every_seconds: float | None = None
    stop: Stop = field(default_factory=Stop)
    micro_batch: int | None = None
    gradient_checkpointing: bool = False

    @property
    def means(self) -> Means:
        """The part of this that can prevent a run from starting."""
        return Means(self.device.type, self.share.world, self.micro_batch, self.gradient_checkpointing)
