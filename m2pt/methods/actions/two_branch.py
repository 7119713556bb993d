"""What `m2pt.methods.two_branch` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def join_branches(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the auxiliaries' blocks to the model's as branches of their own."""
    join(model, spec, auxiliaries, branches=True)
