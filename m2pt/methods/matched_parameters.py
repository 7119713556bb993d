"""Control: as many trainable parameters as a pathway has, and nothing to begin with: `W + W'`, where `W'` starts at 0.

If a pathway gains because its sum of two trained weights learns differently, so does this.
"""

from collections.abc import Sequence

import torch

from m2pt.methods.pathway import pathway
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def matched_parameters(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join weights of zero at a scale that is fixed at 1."""
    if auxiliaries:
        raise ValueError("matched_parameters takes no auxiliary")
    with torch.random.fork_rng(devices=[]):
        nothing = Encoder(spec.model)
    for parameter in nothing.parameters():
        parameter.zero_()
    pathway(model, spec, [nothing])
