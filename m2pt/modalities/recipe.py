"""Recipes: the form of the input and the training of one task, as data, named after its source where it is published."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from m2pt.config import Augmentation, FinetuneConfig, Goal, InputConfig, ModelConfig

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

    A recipe that is not `published` is no release's: nothing departs from it.

    `departs` has a sentence for each difference that no key can switch; `departs_joined` the same for runs with a pathway only.
    """

    source: str
    goal: Goal
    input: InputConfig
    finetune: FinetuneConfig
    released: Mapping[str, JsonValue] = field(default_factory=dict)
    departs: tuple[str, ...] = ()
    departs_joined: tuple[str, ...] = ()
    published: bool = True


OWN_SOURCE = (
    "m2pt's own, for one's own files: MAE's fine-tuning (arXiv 2111.06377, table 9) with small batches, few epochs and no mixing"
)


def own_recipes(samples: InputConfig, augment: Augmentation, batch_size: int = 32) -> dict[str, Recipe]:
    """The recipes for one's own files of a modality: `own` for files of one label, `own-tags` for files of several."""
    one = FinetuneConfig(
        samples="all",
        batch_size=batch_size,
        learning_rate=1e-3,
        learning_rate_per=256,
        final_learning_rate=1e-6,
        weight_decay=0.05,
        layer_decay=0.75,
        epochs=30,
        warmup_epochs=3.0,
        augment=augment,
        score="best_val",
        head="mean",
    )
    several = one.model_copy(update={"loss": "binary_cross_entropy", "label_smoothing": 0.0})
    return {
        "own": Recipe(source=OWN_SOURCE, goal="classification", input=samples, finetune=one, published=False),
        "own-tags": Recipe(source=OWN_SOURCE, goal="tagging", input=samples, finetune=several, published=False),
    }
