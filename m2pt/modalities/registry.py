"""The modalities by name, and the data sets of all of them: m2pt's own, and those of installed plugins."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from m2pt.config import OWN_DATASETS, WINGS, Dataset, InputConfig, Modality, UserError, refuses_unknown
from m2pt.config.base import FURTHER_MODALITIES
from m2pt.config.plugins import Late, load
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec
from m2pt.modalities.plugged import plugged_datasets
from m2pt.modalities.spec import ModalitySpec

if TYPE_CHECKING:
    from m2pt.modalities.shared.tokenizer import Tokenizer


def _declared() -> dict[str, ModalitySpec]:
    specs: dict[str, ModalitySpec] = {}
    for name, wing in WINGS.items():
        if (plugin := FURTHER_MODALITIES.plugins.get(name)) is None:
            module, _, declared = wing.spec.partition(":")
            specs[name] = getattr(import_module(module), declared)
            continue
        specs[name] = load(plugin, ModalitySpec, wing.spec)
        if (specs[name].name, specs[name].section) != (name, wing.input):
            raise UserError(
                f"the modality {name!r} of the plugin {plugin}: {wing.spec} is of another name or another section of inputs than "
                "its entry point; correct the plugin, or uninstall it."
            )
    return specs


SPECS: Mapping[Modality, ModalitySpec] = Late(_declared)


@refuses_unknown
def build_tokenizer(modality: Modality, config: InputConfig, width: int) -> "Tokenizer":
    """A fresh tokenizer in the form that the input section names, initialised from torch's global generator."""
    parts = SPECS[modality].parts()
    if config.form == "shared":
        return parts.tokenizer(config, width)
    if parts.published is None:
        raise UserError(f"inputs.{modality}.form: {modality} has no published form; set it to shared.")
    return parts.published(config, width)


def datasets() -> Iterator[tuple[str, DatasetSpec]]:
    """Every published data set with its name."""
    for spec in SPECS.values():
        yield from spec.datasets.items()
    yield from plugged_datasets().items()


@refuses_unknown
def dataset(name: Dataset) -> DatasetSpec:
    """A published data set by name."""
    return next(known for known in (*(spec.datasets for spec in SPECS.values()), plugged_datasets()) if name in known)[name]


@refuses_unknown
def dataset_facts(name: Dataset, variant: str | None = None) -> DatasetFacts | None:
    """The sizes of a data set as published; None where they are not known, as of one's own files."""
    return None if name in OWN_DATASETS else dataset(name).facts.get(variant)
