"""Attention maps that an encoder passes on to another: those of a frozen teacher, for the tokens that the student is given.

Source: *On the Surprising Effectiveness of Attention Transfer for Vision Transformers* (arXiv 2411.09702). There,
teacher and student read the same image. Here the teacher belongs to another modality and has no tokenizer for these samples, so
its blocks read the tokens of the target's tokenizer: the number of tokens is always the same for both. As in the paper, no
gradient passes through the teacher. The student's weights start as the target's setting says; `scratch` is the paper's student.

The maps of the last quarter of the blocks are not passed on: in the released code, a model of 12 blocks passes on 9, and the
command for distillation with 24 blocks 18; its models for copying leave out three blocks, whatever their depth. There, the
teacher drops the same paths as the student (`finetune.drop_path`); here it drops none.

Shapes: B samples, H heads, N tokens (queries), M tokens (keys), D width, K width of a head.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from m2pt.models.encoder import Encoder
from m2pt.models.model import Model

if TYPE_CHECKING:
    from timm.layers.attention import Attention


def blocks_taught(depth: int) -> int:
    """How many blocks, from the first, have their attention maps from the teacher."""
    return depth - depth // 4


def logits_BHNM(attention: "Attention", x_BND: Tensor) -> Tensor:
    """The scaled products of queries and keys, whose softmax over the keys is the attention map."""
    q_BHNK, k_BHMK, _ = _projected(attention, x_BND)
    products: Tensor = (q_BHNK * attention.scale) @ k_BHMK.transpose(-2, -1)
    return products


def attended(attention: "Attention", x_BND: Tensor, map_BHNM: Tensor) -> Tensor:
    """The output (B, N, D) of an attention layer that gathers its own values by a given map."""
    values_BHMK = _projected(attention, x_BND)[2]
    gathered = (map_BHNM.to(values_BHMK.dtype) @ values_BHMK).transpose(1, 2).flatten(2)
    return cast(Tensor, attention.proj(gathered))


def cross_entropy_B(map_BHNM: Tensor, logits_BHNM: Tensor) -> Tensor:
    """The cross-entropy of the student's attention relative to the teacher's, averaged over heads and queries."""
    return -(map_BHNM * logits_BHNM.float().log_softmax(dim=-1)).sum(dim=-1).mean(dim=(1, 2))


def _projected(attention: "Attention", x_BND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (B, H, N, K)."""
    projected = attention.qkv(x_BND).unflatten(-1, (3, attention.num_heads, -1))
    q, k, v = projected.permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


class Teacher(nn.Module):
    """The frozen blocks; `maps` holds those of the student's last forward pass, by the number of the block.

    All of them are made when the student's first block is called, so that a block that is recomputed for its gradient finds its
    map again. `always` says whether they are needed outside training too.
    """

    def __init__(self, blocks: nn.Module, *, always: bool) -> None:
        super().__init__()
        self.blocks = blocks.requires_grad_(False)
        self.always = always
        self.maps: list[Tensor] = []

    @torch.no_grad()
    def read(self, tokens_BND: Tensor) -> list[Tensor]:
        """The attention maps (B, H, N, M) of the blocks that the student is taught, for these tokens."""
        maps = []
        children = list(self.blocks.children())
        for block in children[: blocks_taught(len(children))]:
            normed = cast(Any, block).norm1(tokens_BND)
            maps.append(logits_BHNM(cast(Any, block).attn, normed).float().softmax(dim=-1))
            tokens_BND = block(tokens_BND)
        return maps

    def watch(self, first: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        """Before the student's first block: read the tokens that it is given."""
        del first
        if self.training or self.always:
            self.maps = self.read(arguments[0])


def add_teacher(model: Model, auxiliaries: Sequence[Encoder], taught: type[nn.Module], *, always: bool) -> None:
    """Make the auxiliary's blocks the teacher of the model's; the attention layers that it teaches get the class `taught`.

    That is one of `m2pt.methods.actions.taught_attention`.
    """
    (auxiliary,) = auxiliaries
    teacher = Teacher(auxiliary.blocks, always=always)
    blocks = list(model.blocks.children())
    blocks[0].register_forward_pre_hook(teacher.watch)
    for index in range(blocks_taught(len(blocks))):
        attention = cast(Any, blocks[index]).attn
        attention.__class__ = taught
        # In a tuple: the teacher is a part of the model, not of each layer.
        attention.lesson = (teacher, index)
    model.add_module("teacher", teacher)


def drop_teacher(model: Model) -> None:
    """Take the teacher out of the model, in place."""
    hooks = next(model.blocks.children())._forward_pre_hooks
    for key, hook in list(hooks.items()):
        if getattr(hook, "__self__", None) is model.get_submodule("teacher"):
            del hooks[key]
    del model.teacher
