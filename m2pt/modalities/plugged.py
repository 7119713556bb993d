"""The data sets that installed plugins add, each to the modality that it names."""

import functools
from collections.abc import Mapping

from m2pt.config import MODALITIES, UserError
from m2pt.config.datasets import FURTHER_DATASETS
from m2pt.config.plugins import load
from m2pt.modalities.dataset import DatasetSpec


@functools.cache
def plugged_datasets() -> Mapping[str, DatasetSpec]:
    """The data sets of plugins by name.

    Raises:
        UserError: one cannot be imported, or is of no modality that is known.

    """
    known: dict[str, DatasetSpec] = {}
    for name, plugin in FURTHER_DATASETS.plugins.items():
        known[name] = load(plugin, DatasetSpec)
        if known[name].modality not in MODALITIES:
            raise UserError(
                f"the data set {name!r} of the plugin {plugin} is of the modality {known[name].modality!r}, which is not known; "
                f"known: {', '.join(MODALITIES)}."
            )
    return known
