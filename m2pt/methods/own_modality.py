"""Control: a pathway from an encoder of the target's own modality. It must win, or the study cannot detect useful weights."""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def join_own(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the auxiliary of the target's own modality."""
    if spec.auxiliary != spec.modality:
        raise ValueError(f"own_modality needs an auxiliary of the modality {spec.modality}, not {spec.auxiliary!r}")
    join(model, spec, auxiliaries)


METHOD = Method(
    kind="control",
    takes="own",
    description="an auxiliary of the target's own modality: must win",
    rank=80,
    apply=join_own,
    merge=merge,
    pathway={},
    random_auxiliary_is_control=True,
)
