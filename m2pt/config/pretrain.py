"""How the encoders of a study are pretrained."""

from typing import Annotated

from pydantic import Field

from m2pt.config.base import Fraction, Frozen, Positive
from m2pt.config.optimizer import OptimizerConfig


class MaePretrain(OptimizerConfig):
    """Masked autoencoding in the style of MAE, AudioMAE, Point-MAE and VideoMAE."""

    batch_size: Positive = 128
    """Samples per optimizer step."""
    steps: Positive = 1200
    """Optimizer steps."""
    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Share of the tokens that is masked."""
    decoder_depth: Positive = 1
    """Blocks of the decoder."""


class LabelPretrain(OptimizerConfig):
    """Supervised training of a pretrained encoder on the labelled pretraining split."""

    batch_size: Positive = 128
    """Samples per optimizer step."""
    steps: Positive = 400
    """Optimizer steps."""
    label_smoothing: Fraction = 0.1
    """Label smoothing."""


class PretrainConfig(Frozen):
    """How the encoders of a study are made."""

    mae: MaePretrain = MaePretrain()
    """Encoders of kind `mae`."""
    labels: LabelPretrain = LabelPretrain()
    """Encoders of kind `labels`."""
