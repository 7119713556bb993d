"""Published recipes for images, at ViT-B."""

from pydantic import JsonValue

from m2pt.config import FinetuneConfig, ImageAugment, ImageInput, TestConfig
from m2pt.modalities.recipe import Recipe

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, with which MAE was pretrained."""

IMAGENET_INPUT = ImageInput(form="published", size=224, channels=3, patch=16, mean=MEAN, std=STD)

RELEASED: dict[str, JsonValue] = {"finetune.precision": "fp16"}
"""With loss scaling."""

RECIPES: dict[str, Recipe] = {
    "mae-finetune": Recipe(
        released=RELEASED,
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
            augment=ImageAugment(policy="rand-m9-mstd0.5-inc1", erasing=0.25),
            head="mean",
            head_init_std=2e-5,
        ),
    ),
    "mae-linear-probe": Recipe(
        released=RELEASED,
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
            head_init_std=0.01,
        ),
    ),
    # 160,000 steps of 16 are 126.7 epochs of the 20,210 scenes: 127 epochs of 1,264 steps are 160,528 (126: 159,264).
    # Published with an auxiliary head beside. The windows' stride is BEiT's (341);
    # mmsegmentation's later configuration has 256.
    "mae-ade20k": Recipe(
        released=RELEASED,
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
            drop_path=0.1,
            label_smoothing=0.0,
            augment=ImageAugment(scene_scale=(0.5, 2.0), color_jitter=0.5),
            head="upernet",
            test=TestConfig(stride=341),
        ),
    ),
}
