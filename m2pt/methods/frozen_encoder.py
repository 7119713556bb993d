"""Rival: the auxiliary's frozen blocks between the target's tokenizer and head.

Source: *Meta-Transformer* (arXiv 2307.10802, section 3): one frozen encoder serves all modalities; a tokenizer and a head are
trained.
"""

from collections.abc import Sequence

from m2pt.models.encoder import Encoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def frozen_encoder(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Put the auxiliary's blocks in the place of the target's, and freeze them."""
    (auxiliary,) = auxiliaries
    del spec
    take_blocks(model.blocks, auxiliary.blocks)
    model.blocks.requires_grad_(False)
