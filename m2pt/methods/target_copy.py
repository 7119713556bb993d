"""Control: a pathway from a copy of the target itself. It brings no knowledge, only more weights that are not random."""

import copy
from collections.abc import Sequence

from m2pt.methods.pathway import pathway
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def target_copy(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the blocks that the target starts from."""
    if auxiliaries:
        raise ValueError("target_copy copies the target")
    twin = Encoder(spec.model)
    twin.blocks = copy.deepcopy(model.blocks)
    pathway(model, spec, [twin])
