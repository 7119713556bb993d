"""What `m2pt.methods.target_copy` does to a model; the declaration says where it is from."""

import copy
from collections.abc import Sequence

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def join_copy(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join a copy of the blocks that the target starts from."""
    if auxiliaries:
        raise ValueError("target_copy copies the target")
    twin = Encoder(spec.model)
    twin.blocks = copy.deepcopy(model.blocks)
    join(model, spec, [twin])
