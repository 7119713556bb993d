"""A pathway from an auxiliary of the target's own modality."""

from collections.abc import Sequence

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def join_own(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the auxiliary of the target's own modality. Raises `ValueError` if it is of another one."""
    if spec.auxiliary != spec.modality:
        raise ValueError(f"{spec.method} needs an auxiliary of the modality {spec.modality}, not {spec.auxiliary!r}")
    join(model, spec, auxiliaries)
