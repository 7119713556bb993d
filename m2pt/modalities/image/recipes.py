"""Published recipes for images, at ViT-B."""

from pydantic import JsonValue

from m2pt.config import BlocksConfig, FinetuneConfig, ImageAugment, ImageInput, TestConfig
from m2pt.modalities.recipe import IMAGENET_MEAN, IMAGENET_STD, RELEASED_LAYERWISE, Recipe, own_recipes

IMAGENET_INPUT = ImageInput(form="published", size=224, channels=3, patch=16, mean=IMAGENET_MEAN, std=IMAGENET_STD)

RELEASED: dict[str, JsonValue] = {"finetune.precision": "fp16"}
"""With loss scaling."""

RECIPES: dict[str, Recipe] = {
    "mae-finetune": Recipe(
        released=RELEASED | RELEASED_LAYERWISE,
        source="MAE (arXiv 2111.06377), table 9, ViT-B, and its released code; used by M2PT for ImageNet-1K",
        goal="classification",
        input=IMAGENET_INPUT,
        finetune=FinetuneConfig(
            samples="all",
            batch_size=1024,
            learning_rate=5e-4,
            learning_rate_per=256,
            final_learning_rate=1e-6,
            weight_decay=0.05,
            layer_decay=0.65,
            epochs=100,
            warmup_epochs=5.0,
            drop_path=0.1,
            label_smoothing=0.1,
            mixup=0.8,
            cutmix=1.0,
            mixing_rows=32,  # what each of 8 devices is given at each of 4 steps of accumulation
            augment=ImageAugment(policy="rand-m9-mstd0.5-inc1", erasing=0.25),
            head="mean",
            head_init_std=2e-5,
        ),
    ),
    "mae-linear-probe": Recipe(
        released=RELEASED,
        departs=("the release's running statistics of batch norm follow the rows of its first device; here every group in turn",),
        departs_joined=(
            "the released optimizer is given the head alone, so that the scales stay at 0; here they are trained, at a rate of "
            "AdamW's recipes (peak 1e-3 times pathway.scale_lr_multiple)",
        ),
        source="MAE (arXiv 2111.06377), table 10, and its released code; M2PT's 'fix' on ImageNet-1K",
        goal="classification",
        input=IMAGENET_INPUT,
        finetune=FinetuneConfig(
            samples="all",
            optimizer="lars",
            batch_size=16384,
            learning_rate=0.1,
            learning_rate_per=256,
            weight_decay=0.0,
            epochs=90,
            warmup_epochs=10.0,
            label_smoothing=0.0,
            augment=ImageAugment(crop_draw="once"),
            head="class_token",
            norm_rows=128,  # what each of 8 devices is given at each of 16 steps of accumulation
            head_init_std=0.01,
        ),
    ),
    # 160,000 steps of 16 are 126.7 epochs of the 20,210 scenes: 127 epochs of 1,263 steps are 160,401 (126: 159,138).
    # The windows' stride is that of mmsegmentation and BEiT (341).
    "mae-ade20k": Recipe(
        released=RELEASED | RELEASED_LAYERWISE,
        departs=(
            "the release trains for 160,000 steps, here for whole epochs (160,401 steps of 16 scenes)",
            "the release's warm-up reaches the peak one step earlier",
            "the release rounds a scene down to bytes after each step of its photometric distortion, here it keeps its fractions",
        ),
        source="MAE (arXiv 2111.06377), appendix A.4, after BEiT (arXiv 2106.08254); values of mmsegmentation's mae-base_upernet",
        goal="semantic_segmentation",
        input=IMAGENET_INPUT.model_copy(update={"size": 512}),
        finetune=FinetuneConfig(
            samples="all",
            batch_size=16,
            learning_rate=1e-4,
            weight_decay=0.05,
            layer_decay=0.65,
            epochs=127,
            decay="linear",
            warmup_steps=1500,
            warmup_start=1e-4 * 1e-6,
            undecayed=(),  # the names that mmsegmentation would spare lack their prefix there
            drop_path=0.1,
            label_smoothing=0.0,
            augment=ImageAugment(scene_scale=(0.5, 2.0), color_jitter=0.5),
            head="upernet",
            side_loss=0.4,
            blocks=BlocksConfig(layer_scale=1.0, relative_positions=True),
            test=TestConfig(stride=341),
        ),
    ),
    # 184,375 steps of 64 are 100.6 epochs of the 117,266 pictures: 101 epochs of 1,832 steps are 185,032 (100: 183,200).
    "vitdet-coco": Recipe(
        released=RELEASED | RELEASED_LAYERWISE,
        departs=(
            "the paper states no schedule for COCO and its code has none, so this is ViTDet's; the paper's own baseline is below "
            "ViTDet's score",
            "the release trains for 184,375 steps, here for whole epochs (185,032 steps of 64 pictures)",
            "regions are read at 2 × 2 points a cell, in the release at as many as the region is large; wanted masks are cut "
            "from the pixels of the changed picture, in the release from polygons",
            "each picture's mask loss counts the same, in the release each mask of a device's pictures",
            "biases of layers are not decayed, in the release they are",
        ),
        source="ViTDet (arXiv 2203.16527) for ViT-B; values of Detectron2's mask_rcnn_vitdet_b_100ep",
        goal="instance_segmentation",
        input=IMAGENET_INPUT.model_copy(update={"size": 1024}),
        finetune=FinetuneConfig(
            samples="all",
            batch_size=64,
            learning_rate=1e-4,
            weight_decay=0.1,
            layer_decay=0.7,
            epochs=101,
            decay="steps",
            warmup_steps=250,
            warmup_start=1e-4 * 1e-3,
            drop_path=0.1,
            label_smoothing=0.0,
            augment=ImageAugment(scene_scale=(0.1, 2.0)),
            head="mask_rcnn",
            blocks=BlocksConfig(windows=14, split_positions=True),
        ),
    ),
}

OWN_RECIPES = own_recipes(IMAGENET_INPUT, ImageAugment(crop_scale=(0.3, 1.0)))
