"""Readers of published image data sets, by name."""

from m2pt.config import Dataset, Goal, UserError, refuses_unknown
from m2pt.modalities.image.datasets.ade20k import open_ade20k
from m2pt.modalities.image.datasets.imagenet import open_imagenet
from m2pt.modalities.image.datasets.webdataset import open_webdataset
from m2pt.modalities.image.transforms.pictures import TestTransform, TrainTransform, sections
from m2pt.modalities.image.transforms.scenes import SceneAugment
from m2pt.modalities.shared.items import Reader, Wanted

READERS: dict[Dataset, Reader] = {
    "imagenet": open_imagenet,
    "webdataset": open_webdataset,
    "ade20k": open_ade20k,
}

GOALS: dict[Dataset, Goal] = {
    "imagenet": "classification",
    "webdataset": "classification",
    "ade20k": "semantic_segmentation",
}


@refuses_unknown
def require_possible(dataset: Dataset, wanted: Wanted) -> None:
    """Look at what is wanted of a data set, without its files. Raises `UserError` where it cannot be had, whatever they hold."""
    config, augment = sections(wanted, GOALS[dataset], dataset)
    if wanted.variant is not None:
        raise UserError(f"tasks: the data set {dataset} has no variants, {wanted.variant!r} is asked for; leave it out.")
    if GOALS[dataset] == "semantic_segmentation":
        if augment is not None:
            SceneAugment(config, augment)
    else:
        TestTransform(config)
        if augment is not None:
            TrainTransform(config, augment)
