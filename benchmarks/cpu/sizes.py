"""What the CPU's benchmark measures with: ViT-S and ViT-B on pictures of 224 x 224, and the embedded study's own sizes."""

from functools import cache
from pathlib import Path

from benchmarks.measuring.fixtures import Setup, recipe_of, spec_of
from m2pt.config import FinetuneConfig, ImageInput, Modality, ModelConfig, Study
from m2pt.config.study_file import load_study
from m2pt.runs.spec import RunSpec

ROOT = Path(__file__).resolve().parents[2]
VIT_S = ModelConfig(width=384, depth=12, heads=6)
"""ViT-S (arXiv 2012.12877, table 1)."""


@cache
def embedded() -> Study:
    """The embedded study, as `params.yaml` declares it."""
    return load_study(ROOT / "params.yaml")


def large(model: ModelConfig, batch: int, setup: Setup, recipe: FinetuneConfig | None = None) -> RunSpec:
    """A run of a full-size model on pictures, in fp32, without augmentation."""
    size = 32 if setup.tiny else 224
    inputs = ImageInput(size=size, patch=16, channels=3)
    tiny = ModelConfig(width=48, depth=2, heads=2)
    recipe = recipe or recipe_of("fp32", batch)
    return spec_of("image", inputs, tiny if setup.tiny else model, recipe, joined=True)


def small(modality: Modality) -> RunSpec:
    """A run of the embedded study, with all samples of its feed."""
    study = embedded()
    recipe = study.finetune.model_copy(update={"samples": "all"})
    return spec_of(modality, getattr(study.inputs, modality), study.model, recipe, joined=False)
