"""Control: a pathway from the auxiliary with the entries of each of its matrices shuffled.

What a matrix has learned is gone, while its norm and the distribution of its values stay: random weights of the trained size. A
gain over this control cannot come from the scale of pretrained weights alone.
"""

from collections.abc import Sequence

import torch

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge
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


METHOD = Method(
    kind="control",
    takes="each",
    description="the auxiliary with the entries of each matrix shuffled",
    rank=50,
    apply=join_shuffled,
    merge=merge,
    pathway={},
    random_auxiliary_is_control=True,
)
