"""What `m2pt.methods.orca` does to a model; the declaration says where it is from."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from m2pt.methods.actions.dataset_distance import dataset_distance
from m2pt.modalities.shared.tokenizer import Tokenizer
from m2pt.models.encoder import Encoder, SampleEncoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec

ROWS = 128
"""The number of samples of each modality that one step of the alignment compares."""


def start_from_blocks(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, and keep its tokenizer beside the target's, frozen."""
    (auxiliary,) = auxiliaries
    if not isinstance(auxiliary, SampleEncoder):
        raise ValueError(f"{spec.method} needs an auxiliary with a tokenizer")
    take_blocks(model.blocks, auxiliary.blocks)
    model.add_module("source", auxiliary.tokenizer.requires_grad_(False))


def alignment(model: Model, x: Tensor, y: Tensor, auxiliary_x: Tensor, auxiliary_y: Tensor) -> Tensor:
    """The distance () between samples of the target and of the auxiliary's modality."""
    ours = model.tokenizer.tokens(x).values.mean(dim=1)
    with torch.no_grad():
        theirs = cast(Tokenizer, model.get_submodule("source")).tokens(auxiliary_x).values.mean(dim=1)
    return dataset_distance(ours, y, theirs, auxiliary_y)


def drop_source(model: Model) -> None:
    """Take the auxiliary's tokenizer out of the model, in place; the result is a plain model."""
    del model.source
