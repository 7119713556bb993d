"""The auxiliary's modality in a model that is trained on both: its own ends, around the blocks that it shares with the target."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from m2pt.layers import LayerNorm
from m2pt.models.encoder import Encoder, SampleEncoder
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec


class OwnParts(nn.Module):
    """What a modality has of its own in a block: the norms and the feed-forward layer."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = block.norm1, block.norm2, block.mlp

    def forward(self, x_BND: Tensor, block: Any) -> Tensor:
        """The block with the parts of its own, and everything else of `block`."""
        x_BND = x_BND + block.drop_path1(block.ls1(block.attn(self.norm1(x_BND))))
        return cast(Tensor, x_BND + block.drop_path2(block.ls2(self.mlp(self.norm2(x_BND)))))


class Companion(nn.Module):
    """Samples of the auxiliary's modality to logits (B, classes), through blocks that are passed in.

    Tokenizer and `own` are the auxiliary's; norm and head are new. Without `own`, the blocks are shared completely.
    """

    def __init__(self, auxiliary: SampleEncoder, width: int, *, own: bool) -> None:
        super().__init__()
        self.tokenizer = auxiliary.tokenizer
        self.own = nn.ModuleList([OwnParts(block) for block in auxiliary.blocks] if own else [])
        self.fc_norm = LayerNorm(width, eps=auxiliary.tokenizer.norm_epsilon)
        self.head = nn.Linear(width, auxiliary.num_classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, blocks: nn.Module, *, again: bool = False) -> Tensor:
        """`again`: compute each block again for its gradient, to save memory."""
        state = self.tokenizer.tokens(x).values
        for index, block in enumerate(blocks.children()):
            step = (self.own[index], state, block) if self.own else (block, state)
            state = cast(Tensor, checkpoint(*step, use_reentrant=False) if again else step[0](*step[1:]))
        return cast(Tensor, self.head(self.fc_norm(state.mean(dim=1))))


def add_companion(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], *, own: bool) -> None:
    """Give the model the auxiliary's ends (`model.companion`), with `own` also its norms and feed-forward layers."""
    (auxiliary,) = auxiliaries
    if not isinstance(auxiliary, SampleEncoder) or spec.rivals is None:
        raise ValueError(f"{spec.method} needs an auxiliary with a tokenizer and the section rivals")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(spec.seed, "companion", spec.auxiliary))
        model.add_module("companion", Companion(auxiliary, spec.model.width, own=own))


def outputs(model: Model, x: Tensor) -> Tensor:
    """The logits (B, classes) of samples of the auxiliary's modality."""
    logits: Tensor = model.get_submodule("companion")(x, model.blocks, again=model.gradient_checkpointing and model.training)
    return logits


def drop_companion(model: Model) -> None:
    """Take the auxiliary's modality out of the model, in place; the result is a plain model."""
    del model.companion
