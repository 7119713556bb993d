"""Control: a pathway from a copy of the target itself. It brings no knowledge, only more weights that are not random."""

import copy
from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge
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


METHOD = Method(
    kind="control",
    takes="nothing",
    description="a copy of the target as its own auxiliary",
    rank=90,
    apply=join_copy,
    merge=merge,
    pathway={},
)
