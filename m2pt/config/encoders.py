"""Where the weights of encoders come from: pretrained here, or read from files."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m2pt.config.base import Frozen, Modality, Name, NonNegative, Positive


class MaeSource(Frozen):
    """An encoder pretrained here by masked autoencoding, without labels."""

    kind: Literal["mae"]
    """Pretrained here by masked autoencoding."""
    seed: NonNegative = 0
    """Seed of all random draws of the pretraining."""
    steps: Positive | None = None
    """Optimizer steps, if not `pretrain.mae.steps`."""


class LabelsSource(Frozen):
    """An encoder trained further with the labels of its own modality's pretraining split."""

    kind: Literal["labels"]
    """Trained further with labels."""
    start: Name
    """The encoder of kind `mae` that the training starts from, by its name."""
    seed: NonNegative = 0
    """Seed of all random draws of the training."""
    steps: Positive | None = None
    """Optimizer steps, if not `pretrain.labels.steps`."""


LayoutName = Literal["mae", "audiomae", "point-mae", "videomae", "m2pt-zoo", "timm", "hf-vit", "hf-videomae", "m2pt"]
"""The layouts in which weights are read: `m2pt.weights.layouts` describes each."""

Weights = Literal["raw", "ema"]
"""The trained weights, or their moving average."""


class Reading(Frozen):
    """What a file of weights is, where the file itself leaves it open; a key that contradicts the file is refused."""

    layout: LayoutName | None = None
    """The layout, where two layouts fit the file."""
    weights: Weights | None = None
    """The trained weights (`raw`) or their moving average (`ema`), where the file has both; without the key, `raw`."""
    grid: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=3)] | None = None
    """The grid of the stored positions in patches, where they must be resized and the layout defines no grid: rows and columns of
    a picture; time and frequency of a sound (AudioMAE: frequency and time); frames, rows and columns of a clip."""


class FileSource(Frozen):
    """Encoders from files, in any published layout (`m2pt.weights`)."""

    kind: Literal["file"]
    """Read from files."""
    paths: dict[Modality, str]
    """One file or folder for each modality."""
    reading: Annotated[dict[Modality, Reading], Field(exclude_if=lambda reading: not reading)] = Field(default_factory=dict)
    """How the file of a modality is to be read, where the file leaves that open."""
    epochs: Positive | None = None
    """How many epochs the encoders were pretrained for, if not the usual number; the report names it and compares by it."""

    @model_validator(mode="after")
    def _read_what_is_there(self) -> Self:
        for modality in self.reading:
            if modality not in self.paths:
                raise ValueError(f"reading.{modality}: it has no path; add paths.{modality} or remove the key")
        return self


EncoderSource = Annotated[MaeSource | LabelsSource | FileSource, Field(discriminator="kind")]
