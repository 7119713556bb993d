"""What `m2pt.methods.pathway` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch

from m2pt import pathway as joining
from m2pt.methods.actions.mapping import of_depth
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec


def join(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder], *, branches: bool = False) -> None:
    """Join the auxiliaries' blocks to the model's according to the spec's section `pathway`."""
    if not auxiliaries or spec.pathway is None:
        raise ValueError(f"{spec.method} needs an auxiliary encoder and a pathway section")
    mapping, trainable = spec.pathway.mapping, spec.pathway.auxiliary_trainable and spec.tuning == "full"
    joining.attach(
        model,
        auxiliaries if mapping is None else [of_depth(auxiliary, spec.model.depth, mapping) for auxiliary in auxiliaries],
        layers=spec.pathway.layers,
        granularity=spec.pathway.granularity,
        scale_init=spec.pathway.scale_init,
        scale_trainable=spec.pathway.scale_trainable,
        auxiliary_trainable=trainable,
        auxiliary_dtype=torch.bfloat16 if spec.pathway.auxiliary_precision == "bf16" and not trainable else None,
        order=spec.pathway.order,
        order_seed=derived_seed(spec.seed, "order"),
        branches=branches,
        projected=mapping is not None and mapping.projects_to(spec.model),
    )


def merge(model: Model) -> None:
    """Fold the auxiliaries into the model's weights, in place."""
    joining.merge(model)
