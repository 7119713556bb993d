"""Changes of an encoder's coordinates, applied to its weights.

Shapes: H heads, E dimensions of a head, D width of the residual stream, M neurons of the MLP. All sums are in double precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from m2pt.config import UserError

SMALLEST_GAIN = 1e-3
"""The smallest gain of a norm, relative to the largest of that norm, by which a weight is divided."""


@dataclass(frozen=True)
class Inside:
    """The new coordinates inside a block.

    `heads_H` and `neurons_M` say which head and which neuron of the encoder take each place. `keys_HEE` are orthogonal maps of
    the queries and the keys of the head that takes the place, `values_HEE` of its values. None of this changes the block's
    function.
    """

    heads_H: Tensor
    keys_HEE: Tensor
    values_HEE: Tensor
    neurons_M: Tensor


@dataclass(frozen=True)
class Maps:
    """Linear maps of the residual stream around a block: into what its two norms read, and out of what its two branches write.

    `attention_read_DD` and `mlp_read_DD` map the target's normalised stream to the encoder's; `attention_write_DD` and
    `mlp_write_DD` map the encoder's stream to the target's.
    """

    attention_read_DD: Tensor
    mlp_read_DD: Tensor
    attention_write_DD: Tensor
    mlp_write_DD: Tensor

    @classmethod
    def rotation(cls, rotation_DD: Tensor) -> "Maps":
        """The maps of one rotation of the stream, from the encoder's coordinates to the target's."""
        return cls(rotation_DD.T, rotation_DD.T, rotation_DD, rotation_DD)


Stream = Tensor | Sequence[Maps]
"""The new coordinates of the residual stream: which dimension takes each place (D,), or maps for each block."""


@dataclass(frozen=True)
class Change:
    """New coordinates of a whole encoder."""

    insides: Sequence[Inside]
    stream: Stream


@torch.no_grad()
def apply(change: Change, blocks: Sequence[nn.Module], targets: Sequence[nn.Module]) -> None:
    """Bring the weights of `blocks` into new coordinates, in place.

    If the stream is permuted, so are the norms. If it is mapped, the blocks get the norms of `targets`: what theirs did is folded
    into the layers that read the stream. That is exact for a rotation that keeps the vector of ones, since a norm without gain
    and offset commutes with it, and if those layers have biases (`model.qkv_bias`), which take up the norms' offsets.

    Raises:
        UserError: a gain of the target's norms is close to 0, so that a weight cannot be divided by it.

    """
    for number, (block, inside) in enumerate(zip(blocks, change.insides, strict=True)):
        _rearrange(block, inside)
        if isinstance(change.stream, Tensor):
            _permute(block, change.stream)
        else:
            _map(block, targets[number], change.stream[number], number)


def _rearrange(block: Any, inside: Inside) -> None:
    """Change the coordinates of heads and neurons."""
    heads, size = inside.keys_HEE.shape[:2]
    maps_KHEE = torch.stack([inside.keys_HEE, inside.keys_HEE, inside.values_HEE]).double()
    for parameter in (block.attn.qkv.weight, block.attn.qkv.bias):
        if parameter is not None:
            rows = parameter.double().view(3, heads, size, -1)[:, inside.heads_H]
            parameter.copy_((maps_KHEE @ rows).view_as(parameter))
    columns = block.attn.proj.weight.double().unflatten(1, (heads, size))[:, inside.heads_H]
    moved = torch.einsum("dhe,hfe->dhf", columns, inside.values_HEE.double())
    block.attn.proj.weight.copy_(moved.flatten(1))
    block.mlp.fc1.weight.copy_(block.mlp.fc1.weight[inside.neurons_M])
    block.mlp.fc1.bias.copy_(block.mlp.fc1.bias[inside.neurons_M])
    block.mlp.fc2.weight.copy_(block.mlp.fc2.weight[:, inside.neurons_M])


def _permute(block: Any, order_D: Tensor) -> None:
    """Change the order of the residual stream."""
    for layer in (block.attn.qkv, block.mlp.fc1):
        layer.weight.copy_(layer.weight[:, order_D])
    for layer in (block.attn.proj, block.mlp.fc2, block.norm1, block.norm2):
        layer.weight.copy_(layer.weight[order_D])
        layer.bias.copy_(layer.bias[order_D])


def _map(block: Any, target: Any, maps: Maps, number: int) -> None:
    """Change the residual stream by linear maps, and take over the target's norms."""
    for name, layer, read in (
        ("norm1", block.attn.qkv, maps.attention_read_DD),
        ("norm2", block.mlp.fc1, maps.mlp_read_DD),
    ):
        norm, other = getattr(block, name), getattr(target, name)
        gains = other.weight.double()
        if not bool((gains.abs() >= SMALLEST_GAIN * gains.abs().max()).all()) or not bool(gains.any()):
            raise UserError(
                f"pathway.alignment: some gains of the target's blocks.{number}.{name} are close to 0, so that no weight can be "
                "divided by them; choose weights or activations."
            )
        weight = layer.weight.double()
        mapped = (weight * norm.weight.double()) @ read.double() / gains
        if layer.bias is not None:
            layer.bias.add_((weight @ norm.bias.double() - mapped @ other.bias.double()).to(layer.bias))
        layer.weight.copy_(mapped)
        norm.load_state_dict(other.state_dict())
    for layer, write in ((block.attn.proj, maps.attention_write_DD), (block.mlp.fc2, maps.mlp_write_DD)):
        layer.weight.copy_(write.double() @ layer.weight.double())
        layer.bias.copy_(write.double() @ layer.bias.double())
