"""Control: a pathway from the auxiliary with the entries of each of its matrices shuffled.

What a matrix has learned is gone, while its norm and the distribution of its values stay: random weights of the trained size. A
gain over this control cannot come from the scale of pretrained weights alone.
"""

from collections.abc import Sequence

import torch

from m2pt.methods.pathway import pathway
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def shuffle(auxiliaries: Sequence[Encoder], seed: int) -> None:
    """Shuffle the entries of every weight of two dimensions, in place, by the run's seed."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "shuffled auxiliary"))
    for auxiliary in auxiliaries:
        for parameter in auxiliary.parameters():
            if parameter.ndim > 1:
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))


def shuffled_auxiliary(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Shuffle every weight of two dimensions, by the run's seed, and join what comes out."""
    shuffle(auxiliaries, spec.seed)
    pathway(model, spec, auxiliaries)
