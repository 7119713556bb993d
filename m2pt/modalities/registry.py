"""The modalities by name, and the data sets of all of them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from m2pt.config import OWN_DATASETS, Dataset, InputConfig, Modality, refuses_unknown
from m2pt.modalities.audio.spec import AUDIO
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec
from m2pt.modalities.image.spec import IMAGE
from m2pt.modalities.point.spec import POINT
from m2pt.modalities.spec import ModalitySpec
from m2pt.modalities.video.spec import VIDEO

if TYPE_CHECKING:
    from m2pt.modalities.shared.tokenizer import Tokenizer

SPECS: dict[Modality, ModalitySpec] = {spec.name: spec for spec in (IMAGE, AUDIO, POINT, VIDEO)}


@refuses_unknown
def build_tokenizer(modality: Modality, config: InputConfig, width: int) -> "Tokenizer":
    """A fresh tokenizer in the form that the input section names, initialised from torch's global generator."""
    parts = SPECS[modality].parts()
    return parts.tokenizer(config, width) if config.form == "shared" else parts.published(config, width)


def datasets() -> Iterator[tuple[str, DatasetSpec]]:
    """Every published data set with its name."""
    for spec in SPECS.values():
        yield from spec.datasets.items()


@refuses_unknown
def dataset(name: Dataset) -> DatasetSpec:
    """A published data set by name."""
    return next(spec.datasets for spec in SPECS.values() if name in spec.datasets)[name]


@refuses_unknown
def dataset_facts(name: Dataset, variant: str | None = None) -> DatasetFacts | None:
    """The sizes of a data set as published; None where they are not known, as of one's own files."""
    return None if name in OWN_DATASETS else dataset(name).facts.get(variant)
