"""One's own point clouds, one in each file. Shapes: Q points as stored, P points that the model sees."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.own.dataset import GOALS, OwnFiles, OwnSplit
from m2pt.modalities.own.targets import targets
from m2pt.modalities.point.decoding.clouds import SUFFIXES, read_cloud
from m2pt.modalities.point.items import CloudItems
from m2pt.modalities.point.transforms.clouds import cloud_transform
from m2pt.modalities.shared.wanted import Wanted

_NAME = "of one's own clouds"


class OwnClouds(CloudItems):
    """One split, read cloud by cloud."""

    def __init__(self, own: OwnSplit, wanted: Wanted) -> None:
        super().__init__(_NAME, wanted, own.classes, targets(own, wanted.goal), GOALS)
        self._own = own

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._own.file(index)

    def points(self, index: int) -> NDArray[Any]:
        """Read one cloud (Q, 3)."""
        path = self._own.member(index)
        points_Q3 = read_cloud(path)
        if len(points_Q3) < (wanted := self.transform.config.points):
            raise UserError(f"{path}: has {len(points_Q3)} points, fewer than the input's points ({wanted}); lower that.")
        return points_Q3


def _require_possible(wanted: Wanted) -> None:
    cloud_transform(wanted, _NAME, GOALS)


def _sizes(path: Path) -> dict[str, float]:
    return {"points": len(read_cloud(path))}


OWN = OwnFiles(SUFFIXES, OwnClouds, _require_possible, _sizes)
