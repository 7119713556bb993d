"""Readers of published image data sets, by name."""

from m2pt.config import Dataset
from m2pt.modalities.image.readers.ade20k import open_ade20k
from m2pt.modalities.image.readers.imagenet import open_imagenet
from m2pt.modalities.image.readers.webdataset import open_webdataset
from m2pt.modalities.items import Reader

READERS: dict[Dataset, Reader] = {
    "imagenet": open_imagenet,
    "webdataset": open_webdataset,
    "ade20k": open_ade20k,
}
