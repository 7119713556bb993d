"""Published recipes for point clouds. They train the shared encoder as ViT-B (`m2pt.modalities.recipe.VIT_B`).

The released M2PT code trains Point-MAE's recipes at width 768. Scores with voting are those of `test.votes: 10`.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from m2pt.config import FinetuneConfig, Goal, PointAugment, PointInput
from m2pt.modalities.recipe import RELEASED_PATHWAY, Recipe, own_recipes

NEIGHBOURS = 32
WIDE = PointInput(form="published", points=2048, groups=128, neighbours=NEIGHBOURS, skip_origin=True)

OWN_INPUT = PointInput(form="published", points=1024, groups=64, neighbours=NEIGHBOURS)

SCHEDULE: dict[str, Any] = {"schedule_by": "epoch", "warmup_epochs": 10.0, "warmup_start": 1e-6}
"""The rate changes with the epoch, one epoch late."""

SIX_HEADS = "the release's target has 6 heads beside auxiliaries of 12; here both have those of the study's model"
NO_BIAS = "the release's target has no biases in attn.qkv; here it has those of the study's model, which start at 0"


def _classification(
    source: str, clouds: PointInput, sample_from: int, released: Mapping[str, JsonValue] = RELEASED_PATHWAY
) -> Recipe:
    return Recipe(
        source=source,
        goal="classification",
        input=clouds,
        released=released,
        departs=(
            "the release reports the best of all epochs on the test data, and with voting the best of 299 tests; here "
            "finetune.score says which epoch is tested, once",
            "the release thins all clouds of a batch to the same places in the order of sampling; here each by its own draw",
            SIX_HEADS,
            NO_BIAS,
        ),
        departs_joined=("the release loads the auxiliary and never joins it; here it is joined",),
        finetune=FinetuneConfig(
            batch_size=32,
            samples="all",
            epochs=301,  # counted from 0 to 300
            schedule_tail=1,
            **SCHEDULE,
            undecayed=("class_token",),  # what has `token` in its name; `cls_pos` has not
            learning_rate=5e-4,
            final_learning_rate=1e-6,
            weight_decay=0.05,
            drop_path=0.1,
            clip_norm=10.0,
            label_smoothing=0.0,
            augment=PointAugment(sample_from=sample_from, scale=(2 / 3, 3 / 2), shift=0.2),
            head="class_and_max",
        ),
    )


def _segmentation(source: str, *more: str) -> Recipe:
    goal: Goal = "part_segmentation"
    return Recipe(
        source=source,
        goal=goal,
        input=WIDE,
        released=RELEASED_PATHWAY,
        departs=(
            "the release reports the best of all epochs on the test data; here finetune.score says which epoch is tested, once",
            "the release makes two optimizer steps a batch with one gradient, clipped for the second alone; here one, clipped",
            "the release draws the points of a tested shape anew each time; here they follow from its place in the list",
            *more,
            SIX_HEADS,
            NO_BIAS,
        ),
        departs_joined=(
            "the release leaves the target random (the line that loads its weights is commented out); here it starts from the "
            "study's target encoder, where the setting is pretrained",
        ),
        finetune=FinetuneConfig(
            batch_size=16,
            samples="all",
            epochs=300,
            **SCHEDULE,
            learning_rate=2e-4,
            final_learning_rate=1e-6,
            weight_decay=0.05,
            drop_path=0.1,
            clip_norm=10.0,
            label_smoothing=0.0,
            augment=PointAugment(scale=(0.8, 1.25), shift=0.1),
            head="part_segmentation",
        ),
    )


RECIPES: dict[str, Recipe] = {
    # Its clouds have 2048 points, so that nothing is thinned there; they are taken as they are stored.
    "point-mae-scanobjectnn": _classification(
        "Multimodal Pathway (arXiv 2401.14405), Point/cfgs/finetune_scan_*.yaml of its released code, after Point-MAE "
        "(arXiv 2203.06604, section 4.2)",
        WIDE.model_copy(update={"centred": False}),
        sample_from=2400,
    ),
    "point-mae-modelnet40": _classification(
        "Multimodal Pathway (arXiv 2401.14405), Point/cfgs/finetune_modelnet_pathway.yaml of its released code, after Point-MAE "
        "(arXiv 2203.06604, section 4.2)",
        PointInput(form="published", points=1024, groups=64, neighbours=NEIGHBOURS, skip_origin=True),
        sample_from=1200,
        # Once, before training, and from a random point on; a reader that does it here (from the first point on) takes its time.
        released=RELEASED_PATHWAY | {"input.thinned": 8192},
    ),
    "point-mae-shapenetpart": _segmentation(
        "Multimodal Pathway (arXiv 2401.14405), Point/segmentation of its released code, after Point-MAE (arXiv 2203.06604, "
        "section 4.2)",
    ),
    "point-mae-partnet": _segmentation(
        "no recipe for PartNet is published; that of ShapeNetPart: Multimodal Pathway (arXiv 2401.14405), Point/segmentation of "
        "its released code",
        "nothing is released for PartNet; its authors train a model for each category and test it on all points of a shape, here "
        "one is trained for all categories and tested on as many points as the input has",
    ),
}

OWN_RECIPES = own_recipes(OWN_INPUT, PointAugment(scale=(2 / 3, 3 / 2), shift=0.2))
