"""Readers of the published data sets of point clouds, by name."""

from m2pt.config import Dataset
from m2pt.modalities.items import Reader
from m2pt.modalities.point.readers.modelnet40 import open_modelnet40
from m2pt.modalities.point.readers.partnet import open_partnet
from m2pt.modalities.point.readers.scanobjectnn import open_scanobjectnn
from m2pt.modalities.point.readers.shapenetpart import open_shapenetpart

READERS: dict[Dataset, Reader] = {
    "modelnet40": open_modelnet40,
    "scanobjectnn": open_scanobjectnn,
    "shapenetpart": open_shapenetpart,
    "partnet": open_partnet,
}
