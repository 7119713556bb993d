"""Control: a pathway from an encoder of the target's own modality. It must win, or the study cannot detect useful weights."""

from collections.abc import Sequence

from m2pt.methods.pathway import pathway
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def own_modality(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the auxiliary of the target's own modality."""
    if spec.auxiliary != spec.modality:
        raise ValueError(f"own_modality needs an auxiliary of the modality {spec.modality}, not {spec.auxiliary!r}")
    pathway(model, spec, auxiliaries)
