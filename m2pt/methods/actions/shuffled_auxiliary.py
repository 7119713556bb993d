"""What `m2pt.methods.shuffled_auxiliary` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def shuffle(auxiliaries: Sequence[Encoder], seed: int) -> None:
    """Shuffle the entries of every weight with two or more dimensions, in place, with the run's seed."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "shuffled auxiliary"))
    for auxiliary in auxiliaries:
        for parameter in auxiliary.parameters():
            if parameter.ndim > 1:
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))


def join_shuffled(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Shuffle the auxiliary's matrices with the run's seed, and join the result."""
    shuffle(auxiliaries, spec.seed)
    join(model, spec, auxiliaries)
