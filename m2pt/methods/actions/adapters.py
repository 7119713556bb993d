"""What `m2pt.methods.adapters` does to a model; the declaration says where it is from."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from m2pt.methods.actions.frozen_encoder import freeze_auxiliary
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


class Adapter(nn.Module):
    """A residual bottleneck (B, N, D) to (B, N, D); its last layer starts at zero, so it starts as the identity."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Adapt."""
        return x + cast(Tensor, self.up(nn.functional.gelu(self.down(x))))


def add_adapters(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Freeze the auxiliary's blocks in the model and put an adapter after each attention and each MLP."""
    if spec.rivals is None:
        raise ValueError("adapters needs the section rivals")
    freeze_auxiliary(model, spec, auxiliaries)
    with torch.random.fork_rng(devices=[]):
        for block in model.blocks:
            for name in ("attn", "mlp"):
                adapter = Adapter(spec.model.width, spec.rivals.adapter_width)
                # After the branch's last step before the sum: timm's layer scale, or an identity if a recipe has none.
                step = "ls1" if name == "attn" else "ls2"
                scale = getattr(block, step)
                setattr(block, step, adapter if isinstance(scale, nn.Identity) else nn.Sequential(scale, adapter))
