"""Published recipes for video, at ViT-B."""

from pydantic import JsonValue

from m2pt.config import FinetuneConfig, TestConfig, VideoAugment, VideoInput
from m2pt.modalities.recipe import IMAGENET_MEAN, IMAGENET_STD, RELEASED_LAYERWISE, Recipe, own_recipes

RELEASED: dict[str, JsonValue] = {"finetune.precision": "fp16"}
"""With loss scaling."""

KINETICS_INPUT = VideoInput(
    form="published",
    frames=16,
    stride=4,
    size=224,
    channels=3,
    tubelet=2,
    patch=16,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)

RECIPES: dict[str, Recipe] = {
    "videomae-kinetics400": Recipe(
        released=RELEASED | RELEASED_LAYERWISE,
        departs=(
            "the release starts from a checkpoint that was distilled on Kinetics-710; here from the study's target encoder",
            "the release's warm-up reaches the peak one step earlier",
        ),
        departs_joined=(
            "the release's attention reads the weights of attn.qkv past the pathway, whose scales there do nothing; here they do",
        ),
        source="Multimodal Pathway (arXiv 2401.14405), Video/run.sh of its released code, after VideoMAE (arXiv 2203.12602)",
        goal="classification",
        input=KINETICS_INPUT,
        finetune=FinetuneConfig(
            # Videos, each of which gives two clips: 6 on each of 8 devices. VideoMAE's own script has 6 on each of 64 devices,
            # with a base rate of 5e-4 and 75 epochs.
            batch_size=48,
            samples="all",
            epochs=90,
            repeats=2,
            learning_rate=7e-4,
            learning_rate_per=256,
            final_learning_rate=1e-6 * 48 / 256,
            warmup_epochs=5.0,
            warmup_start=1e-8 * 48 / 256,
            weight_decay=0.05,
            layer_decay=0.75,
            drop_path=0.1,
            label_smoothing=0.1,
            mixup=0.8,
            cutmix=1.0,
            mixing_rows=6 * 2,  # the clips of one of 8 devices
            augment=VideoAugment(crop_scale=(0.08, 1.0), flip=0.5, policy="rand-m7-n4-mstd0.5-inc1", erasing=0.25),
            head="mean",
            head_init_std=0.02 * 0.001,  # the published code shrinks a head of 0.02 by `init_scale`
            test=TestConfig(clips=5, crops=3),
        ),
    ),
}

OWN_RECIPES = own_recipes(KINETICS_INPUT, VideoAugment(crop_scale=(0.3, 1.0)), batch_size=8)
