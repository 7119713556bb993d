"""What a modality is to the rest: one object with everything that differs between modalities. Each wing declares its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from m2pt.config import EmbeddedData, InputSection, Modality
from m2pt.modalities.dataset import DatasetFolder
from m2pt.modalities.recipe import Recipe
from m2pt.modalities.shared.samples import Samples
from m2pt.modalities.shared.tokenizer import PatchTokenizer, Tokenizer


@dataclass(frozen=True)
class Reconstruction:
    """The pretraining target: `loss` scores predicted patches, `restore` brings them to the signal's units, `draw` shows them."""

    loss: Callable[[Tensor, Tensor], Tensor]
    restore: Callable[[Tensor, Tensor], Tensor]
    draw: Callable[..., None]


@dataclass(frozen=True)
class Embedded:
    """The embedded data set: `write(folder, sizes)` makes it. Raise `version` with every change that changes a file of it."""

    version: int
    write: Callable[[Path, EmbeddedData], None]


PredictScene = Callable[[nn.Module, Tensor, Any, int | None, int, tuple[int, int]], Tensor]
"""Logits (K, H0, W0) for every pixel of a scene (C, H, W): model, scene, input section, stride, K, and (H0, W0)."""


@dataclass(frozen=True)
class ModalitySpec:
    """One modality. What a spec or a file of weights needs to know of it is declared on its `section` of `inputs`.

    What needs a decoder or matplotlib (`small`, `datasets`, `reconstruction`, `embedded`) is imported when it is used: planning a
    study needs neither.
    """

    name: Modality
    section: type[InputSection]
    tokenizer: Callable[[Any, int], PatchTokenizer]
    """Builds the tokenizer of this project's own form, from the input section and the width of the tokens."""
    published: Callable[[Any, int], Tokenizer]
    """Builds the tokenizer of the family whose weights are loaded."""
    augment: Callable[[Tensor, torch.Generator], Tensor]
    """Changes a batch of small data in training."""
    reconstruction: Callable[[], Reconstruction]
    recipes: Mapping[str, Recipe]
    """The published recipes by name."""
    small: Callable[[Path, str, Any], Samples]
    """Reads one split of small data as a whole: folder, split, input section."""
    datasets: DatasetFolder
    """The published data sets by name."""
    embedded: Callable[[], Embedded]
    decoders: tuple[str, ...]
    """The packages whose version decides what is decoded, and what can be."""
    views_averaged_as: Literal["probabilities", "logits"] = "probabilities"
    """How the views of a classified sample are joined."""
    has_rectangles: bool = True
    """Whether a rectangle can be cut out of a sample and put into another one (cutmix)."""
    predict_scene: PredictScene | None = None
    """Predicts scenes larger than the model's input; None where samples are no scenes."""
