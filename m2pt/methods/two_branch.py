"""Rival: the pathway computed in two branches, as drawn in the paper; the comparison shows what merging the weights saves."""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def join_branches(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the auxiliaries' blocks to the model's as branches of their own."""
    join(model, spec, auxiliaries, branches=True)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the pathway as two branches, without re-parameterization",
    rank=140,
    apply=join_branches,
    merge=merge,
    pathway={},
    random_auxiliary_is_control=True,
)
