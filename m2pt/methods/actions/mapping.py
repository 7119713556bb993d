"""Auxiliaries of another depth, with as many blocks as the target.

Sources: weights are interpolated along the depth, as residual networks are steps of one flow (Chang et al., arXiv 1710.10348);
LiGO's learned sums over blocks are the general form (arXiv 2303.00980). Selecting blocks is how DistilBERT takes its teacher's
(arXiv 1910.01108). The first block is the first, and the last the last.
"""

import torch
from torch import nn

from m2pt.config import MappingConfig
from m2pt.models.encoder import Encoder


@torch.no_grad()
def of_depth(encoder: Encoder, depth: int, mapping: MappingConfig) -> Encoder:
    """The encoder with `depth` blocks; itself if it has as many."""
    blocks = list(encoder.blocks)
    if len(blocks) == depth:
        return encoder
    with torch.random.fork_rng(devices=[]):
        made = Encoder(mapping.model.model_copy(update={"depth": depth}))
    for index, block in enumerate(made.blocks):
        place = index * (len(blocks) - 1) / max(depth - 1, 1)
        if mapping.depth == "select":
            place = int(place + 0.5)
        below = int(place)
        _between(block, blocks[below], blocks[min(below + 1, len(blocks) - 1)], place - below)
    return made


def _between(block: nn.Module, below: nn.Module, above: nn.Module, share: float) -> None:
    """Give a block the weights between those of two others: `share` of the second."""
    second = above.state_dict()
    block.load_state_dict({name: torch.lerp(value, second[name], share) for name, value in below.state_dict().items()})
