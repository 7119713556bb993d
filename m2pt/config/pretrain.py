"""How the encoders of a study are pretrained."""

from collections.abc import Iterator
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


class ProceduralPretrain(OptimizerConfig):
    """Naming hidden brackets in sequences of nested ones (*Procedural Warm-Up for Vision Transformers*, arXiv 2511.13945)."""

    batch_size: Positive = 128
    """Sequences per optimizer step; each is new."""
    steps: Positive = 1200
    """Optimizer steps."""
    length: Annotated[int, Field(gt=0, multiple_of=2)] = 16
    """Symbols of a sequence; the source has as many as its images have patches."""
    kinds: Positive = 64
    """Kinds of brackets."""
    max_depth: Positive = 4
    """How many brackets can be open at once."""
    opening: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Probability of an opening bracket, where an opening and a closing one are both possible."""
    hidden: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the closing brackets that are hidden and must be named."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.max_depth > self.length // 2:
            yield f"max_depth: {self.max_depth} must be at most half of length ({self.length}); lower it"


class PretrainConfig(Frozen):
    """How the encoders of a study are made."""

    mae: MaePretrain = MaePretrain()
    """Encoders of kind `mae`."""
    labels: LabelPretrain = LabelPretrain()
    """Encoders of kind `labels`."""
    procedural: Annotated[ProceduralPretrain, Field(exclude_if=ProceduralPretrain().__eq__)] = ProceduralPretrain()
    """Encoders of kind `procedural`."""
