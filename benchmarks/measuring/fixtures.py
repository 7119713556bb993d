"""Models, samples and specs of the benchmarks, in both sizes.

Shapes: N samples, B rows of a batch.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from m2pt import pathway
from m2pt.config import (
    AudioInput,
    FinetuneConfig,
    ImageInput,
    InputConfig,
    Modality,
    ModelConfig,
    PathwayConfig,
    PointInput,
    VideoInput,
)
from m2pt.modalities.recipe import VIT_B
from m2pt.modalities.shared.samples import Samples
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model, fresh
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import MemoryFeed
from m2pt.training.loop import Trainer
from m2pt.training.optim import freeze_for
from m2pt.training.precision import Precision
from m2pt.training.share import Share

CLASSES = tuple(f"class {number}" for number in range(10))
SCALE = 0.01
SMALL = ModelConfig(width=96, depth=4, heads=4)
INPUTS: dict[Modality, InputConfig] = {"image": ImageInput(), "audio": AudioInput(), "point": PointInput(), "video": VideoInput()}
Variant = Literal["plain", "frozen", "trainable"]


@dataclass(frozen=True)
class Setup:
    """Where the benchmark runs, and how large it is: `tiny` is for trying the code, not for numbers."""

    device: torch.device
    tiny: bool

    @property
    def model(self) -> ModelConfig:
        """ViT-B."""
        return ModelConfig(width=48, depth=2, heads=2) if self.tiny else VIT_B

    @property
    def image(self) -> ImageInput:
        """Pictures of 224 x 224 in patches of 16, as in the paper's image recipe."""
        size = 32 if self.tiny else 224
        return ImageInput(size=size, patch=16, channels=3)

    @property
    def batch(self) -> int:
        """Samples of a step."""
        return 4 if self.tiny else 64

    @property
    def repeats(self) -> int:
        """Measured repeats of a step."""
        return 3 if self.tiny else 20

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def spec_of(modality: Modality, inputs: InputConfig, model: ModelConfig, recipe: FinetuneConfig, *, joined: bool) -> RunSpec:
    """A run that is not on disk: fully trained, from random weights."""
    return RunSpec(
        target=modality,
        modality=modality,
        auxiliary="audio" if modality == "image" and joined else "image" if joined else "",
        method="pathway" if joined else "baseline",
        setting="scratch",
        tuning="full",
        seed=0,
        input=inputs,
        model=model,
        finetune=recipe,
        pathway=PathwayConfig() if joined else None,
        data_sha256="0" * 64,
        target_weights=None,
        auxiliary_weights=None,
    )


def samples_of(config: InputConfig, count: int, seed: int) -> Samples:
    """Samples in the form that the readers give: noise around one pattern a class, so that there is something to learn."""
    draw = torch.Generator().manual_seed(seed)
    patterns = torch.Generator().manual_seed(99)
    y = torch.arange(count) % len(CLASSES)
    pattern_K = torch.rand(len(CLASSES), *config.sample_shape, generator=patterns)
    x: Tensor = 0.8 * pattern_K[y] + 0.2 * torch.rand(count, *config.sample_shape, generator=draw)
    if isinstance(config, AudioInput):
        x = config.mean + 4 * config.std * (x - 0.5)
    if isinstance(config, PointInput):  # clouds differ in their proportions: single points say nothing
        x = torch.randn(count, *config.sample_shape, generator=draw) * torch.rand(len(CLASSES), 1, 3, generator=patterns)[y]
        x = x / x.norm(dim=-1).amax(dim=1)[:, None, None]
    return Samples(x, y, CLASSES)


def model_of(spec: RunSpec, variant: Variant) -> Model:
    """A model as `variant` has it: without a pathway, or with one whose random auxiliary is fixed or trains too."""
    torch.manual_seed(0)
    model = fresh(spec, len(CLASSES))
    if variant != "plain":
        join(model, spec, auxiliary_trainable=variant == "trainable")
    freeze_for("full", model)
    model.tokenizer.take(spec.finetune.augment)
    return model


def join(model: Model, spec: RunSpec, *, auxiliary_trainable: bool = True, branches: bool = False) -> None:
    """Join a model with a random auxiliary, at scales that change its outputs; in bf16 a fixed one is kept in that."""
    pathway.attach(
        model,
        random_encoder(spec.model, seed=1),
        auxiliary_trainable=auxiliary_trainable,
        auxiliary_dtype=torch.bfloat16 if spec.finetune.precision == "bf16" and not auxiliary_trainable else None,
        branches=branches,
        scale_init=SCALE,
    )


def trainer_of(spec: RunSpec, variant: Variant, samples: Samples, setup: Setup) -> Trainer:
    """The product's own trainer on samples in memory."""
    feed = MemoryFeed(spec, samples, {"val": samples, "test": samples}, Share())
    return Trainer(spec, model_of(spec, variant).to(setup.device), feed, setup.device)


def recipe_of(precision: Precision, batch: int) -> FinetuneConfig:
    """One epoch, with stochastic depth, whose draws go by rows, and no augmentation."""
    return FinetuneConfig(
        samples="all",
        epochs=1,
        batch_size=batch,
        warmup_steps=2,
        drop_path=0.1,
        learning_rate=2e-3,
        augment=False,
        precision=precision,
    )
