"""The Multimodal Pathway with an auxiliary of another modality (CVPR 2024, arXiv 2401.14405, section 3)."""

from collections.abc import Sequence

from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.pathway import attach
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec


def pathway(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the auxiliaries' blocks to the model's as the spec's `pathway` section says."""
    if not auxiliaries or spec.pathway is None:
        raise ValueError(f"{spec.method} needs an auxiliary encoder and a pathway section")
    attach(
        model,
        auxiliaries,
        layers=spec.pathway.layers,
        granularity=spec.pathway.granularity,
        scale_init=spec.pathway.scale_init,
        scale_trainable=spec.pathway.scale_trainable,
        auxiliary_trainable=spec.pathway.auxiliary_trainable and spec.tuning == "full",
        order=spec.pathway.order,
        order_seed=derived_seed(spec.seed, "order"),
        branches=spec.method == "two_branch",
    )
