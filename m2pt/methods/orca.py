"""Rival: the target's tokenizer is first aligned to the auxiliary's modality, then everything is fine-tuned from its blocks.

Source: ORCA, *Cross-Modal Fine-Tuning: Align then Refine* (arXiv 2302.05738, section 3): the embedder of the target is trained to
minimise the optimal transport dataset distance (OTDD) between the features of the target's samples and those of samples of the
modality that the blocks were pretrained on, then all weights are fine-tuned. `m2pt.methods._dataset_distance` has the distance.

As in the released code, the features of a sample are the mean of its tokens, as the blocks get them; those of the auxiliary's
samples come from its own tokenizer, which stays as it is. Here each step of the alignment compares `ROWS` samples of each
modality, drawn with balanced classes and not augmented; the paper passes over all samples, class by class.

The alignment is counted: it is the first `rivals.alignment_steps` of the run's steps, so that a run has as many steps as the
baseline's, and one learning-rate schedule. In these steps no other weight changes; `train/loss` is measured, not minimised. The
optimizer's moments start anew after them.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from m2pt.methods._companion import refusal
from m2pt.methods._dataset_distance import dataset_distance
from m2pt.methods._declaration import Method
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


METHOD = Method(
    kind="rival",
    takes="each",
    description="the tokenizer aligned to the auxiliary's modality, then everything tuned from its blocks (ORCA)",
    rank=211,
    apply=start_from_blocks,
    merge=drop_source,
    rivals=("alignment_steps",),
    tunings=("full",),
    refusal=refusal,
    reads_auxiliary_samples=True,
    alignment=alignment,
    alignment_rows=ROWS,
)
