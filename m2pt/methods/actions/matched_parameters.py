"""What `m2pt.methods.matched_parameters` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def join_zeros(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join weights of zero at a scale that is fixed at 1."""
    if auxiliaries:
        raise ValueError("matched_parameters takes no auxiliary")
    with torch.random.fork_rng(devices=[]):
        zeros = Encoder(spec.model)
    for parameter in zeros.parameters():
        parameter.zero_()
    join(model, spec, [zeros])
