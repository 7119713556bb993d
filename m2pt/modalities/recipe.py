"""Published recipes: the form of the input and the training of one task, as data, named after its source."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from m2pt.config import FinetuneConfig, Goal, InputConfig, ModelConfig

VIT_B = ModelConfig(width=768, depth=12, heads=12)
"""ViT-B (arXiv 2010.11929, table 1), the shared encoder of every published run."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colour channels, with which MAE and VideoMAE were pretrained."""

RELEASED_PATHWAY: dict[str, JsonValue] = {"pathway.scale_lr_multiple": 1.0, "pathway.auxiliary_decay": True}
"""What the optimizers of the released Multimodal Pathway do in full tuning: scales have the same learning rate as all else, and
the auxiliary's weights are decayed, even while their scale is 0 and they get no gradient."""

RELEASED_LAYERWISE: dict[str, JsonValue] = RELEASED_PATHWAY | {"pathway.scale_layer_decay": True}
"""The same under layer decay, which slows the scales with their blocks: to 0.0057 of the rate in block 0 of the image recipe."""


@dataclass(frozen=True)
class Recipe:
    """`source` names the paper or repository, with the table or section where there is one.

    Differences from the release are declared here as data; `m2pt plan` and the report list them
    (`m2pt.analysis.paper.departures`).

    `released` has the release's value for every key to which this recipe gives another value, by its dotted name in a run's spec
    (`finetune.precision`, `input.size`, `pathway.scale_lr_multiple`, `model.heads`). A study that sets such a key to the released
    value has one departure fewer; one that changes any other value of the recipe has one more. Keys of `pathway` only count for
    runs that have one.

    `departs` has a sentence for each difference that no key can switch; `departs_joined` the same for runs with a pathway only.
    """

    source: str
    goal: Goal
    input: InputConfig
    finetune: FinetuneConfig
    released: Mapping[str, JsonValue] = field(default_factory=dict)
    departs: tuple[str, ...] = ()
    departs_joined: tuple[str, ...] = ()
