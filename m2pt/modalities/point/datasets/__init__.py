"""Readers of the published data sets of point clouds, by name."""

from m2pt.config import Dataset, UserError, refuses_unknown
from m2pt.modalities.point.datasets.modelnet40 import open_modelnet40
from m2pt.modalities.point.datasets.partnet import CATEGORIES, open_partnet
from m2pt.modalities.point.datasets.scanobjectnn import VARIANTS as SCANS
from m2pt.modalities.point.datasets.scanobjectnn import open_scanobjectnn
from m2pt.modalities.point.datasets.shapenetpart import TOGETHER, open_shapenetpart
from m2pt.modalities.point.transforms.clouds import cloud_transform, part_transform
from m2pt.modalities.shared.items import Reader, Wanted

READERS: dict[Dataset, Reader] = {
    "modelnet40": open_modelnet40,
    "scanobjectnn": open_scanobjectnn,
    "shapenetpart": open_shapenetpart,
    "partnet": open_partnet,
}

VARIANTS: dict[Dataset, tuple[str | None, ...]] = {
    "modelnet40": (None,),
    "scanobjectnn": tuple(SCANS),
    "shapenetpart": (None, TOGETHER),
    "partnet": (None, *CATEGORIES),
}


@refuses_unknown
def require_possible(dataset: Dataset, wanted: Wanted) -> None:
    """Look at what is wanted of a data set, without its files. Raises `UserError` where it cannot be had, whatever they hold."""
    (part_transform if dataset in ("shapenetpart", "partnet") else cloud_transform)(wanted, dataset)
    if wanted.variant not in VARIANTS[dataset]:
        known = ", ".join(str(name) for name in VARIANTS[dataset] if name) or "none"
        raise UserError(f"tasks: the data set {dataset} has no variant {wanted.variant!r}; known: {known}.")
