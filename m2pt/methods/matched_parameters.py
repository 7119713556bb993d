"""Control: as many trainable parameters as a pathway has, with no knowledge in them: `W + W'`, where `W'` starts at 0.

If a pathway gains because a sum of two trained weights learns differently, so does this.
"""

from collections.abc import Sequence

import torch

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge
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


METHOD = Method(
    kind="control",
    takes="nothing",
    description="`W + W'` with `W'` from 0: the pathway's number of trainable weights",
    rank=130,
    apply=join_zeros,
    merge=merge,
    pathway={"scale_init": 1.0, "scale_trainable": False, "auxiliary_trainable": True},
    unread={"pathway.order": "what matched_parameters adds starts as nothing"},
    tunings=("full",),
)
