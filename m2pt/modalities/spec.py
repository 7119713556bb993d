"""The interface of a modality: one object with everything that differs between modalities. Each modality declares its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from m2pt.config import OWN_DATASETS, EmbeddedData, InputSection, Modality
from m2pt.modalities.dataset import DatasetSpec
from m2pt.modalities.own.dataset import OwnFiles, dataset_of
from m2pt.modalities.plugged import plugged_datasets
from m2pt.modalities.recipe import Recipe
from m2pt.modalities.shared.listed import Listed
from m2pt.modalities.shared.wanted import Wanted

if TYPE_CHECKING:  # what computes is imported when it is used
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from m2pt.modalities.shared.maps import EmbeddingMap
    from m2pt.modalities.shared.samples import Samples
    from m2pt.modalities.shared.tokenizer import PatchTokenizer, Tokenizer


@dataclass(frozen=True)
class Reconstruction:
    """The pretraining target: `loss` scores predictions, `restore` converts them to the signal's units, `draw` plots them."""

    loss: "Callable[[Tensor, Tensor], Tensor]"
    restore: "Callable[[Tensor, Tensor], Tensor]"
    draw: Callable[..., None]


@dataclass(frozen=True)
class Parts:
    """What a modality's models and their training are made of."""

    tokenizer: "Callable[[Any, int], PatchTokenizer]"
    """Builds the tokenizer of this project's own form, from the input section and the width of the tokens."""
    published: "Callable[[Any, int], Tokenizer] | None"
    """Builds the tokenizer of the family whose weights are loaded; None where there is no such family."""
    augment: "Callable[[Tensor, torch.Generator], Tensor]"
    """Augments a batch of small data in training."""
    reconstruction: Reconstruction
    predict_scene: "Callable[[nn.Module, Tensor, Any, int | None, int, tuple[int, int]], Tensor] | None" = None
    """Predicts scenes larger than the model's input; None if the modality has none. Returns logits (K, H0, W0) for every pixel
    of a scene (C, H, W), given model, scene, input section, stride, K, and (H0, W0)."""
    embedding_map: "Callable[[Any], EmbeddingMap] | None" = None
    """Builds the map that ConvNets see, from the input section; None if the modality has none."""


@dataclass(frozen=True)
class Embedded:
    """The embedded data set: `write(folder, sizes)` makes it. Increase `version` with every change to one of its files."""

    version: int
    write: Callable[[Path, EmbeddedData], None]


@dataclass(frozen=True)
class ModalitySpec:
    """One modality. What specs and weight files need to know about it is declared on its `section` of `inputs`.

    Code that computes (`parts`) or decodes (`small`, `datasets`, `embedded`) is imported when it is used: who plans a study
    needs none of it.
    """

    name: Modality
    section: type[InputSection]
    parts: Callable[[], Parts]
    """Imports what its models and their training are made of."""
    recipes: Mapping[str, Recipe]
    """The recipes by name: the published ones, and those for one's own files."""
    small: "Callable[[Path, str, Any], Samples]"
    """Reads one complete split of small data, given folder, split and input section."""
    small_lists: Callable[[Path, str, Any], Listed]
    """What the lists of one split of small data say, without reading a sample; arguments as of `small`."""
    small_file: "Callable[[Path, Any], NDArray[np.float32]]"
    """The samples (N, ...) in one file, as `small` reads those of a split, given the file and the input section."""
    file: "Callable[[Path, Wanted], list[Tensor]]"
    """The views (V, ...) of each sample in one file, as the published data sets of this modality test theirs."""
    own: Callable[[], OwnFiles]
    """Imports what reads one's own files."""
    embedded: Callable[[], Embedded] | None
    """Imports what makes the embedded data set; None if the modality has none."""
    rights: str
    """What the embedded data set is made from, and under which licences."""
    decoders: tuple[str, ...]
    """The packages whose versions determine what can be decoded, and the result."""
    samples: str
    """What its models take, in words, with the range of the values."""
    colour: str
    """Its colour in figures on paper, as `#rrggbb`."""
    datasets: Mapping[str, DatasetSpec] = field(default_factory=dict)
    """The published data sets by name that stand in its wing."""
    range: tuple[float, float] = (0.0, 1.0)
    """Between which the values of a sample usually are."""
    first_input: Mapping[str, JsonValue] = field(default_factory=dict)
    """The values of its section of `inputs` for which `m2pt init` makes a small model, where they are not the recipe's."""
    views_averaged_as: Literal["probabilities", "logits"] = "probabilities"
    """What is averaged over the views of a classified sample."""
    has_rectangles: bool = True
    """Whether a rectangle can be cut out of one sample and pasted into another (cutmix)."""

    def dataset(self, name: str) -> DatasetSpec | None:
        """A data set of the modality, published or of one's own files; None if it has none of that name."""
        if name in OWN_DATASETS:
            return dataset_of(self.own())
        if name in self.datasets:
            return self.datasets[name]
        plugged = plugged_datasets().get(name)
        return plugged if plugged is not None and plugged.modality == self.name else None
