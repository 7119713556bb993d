"""One's own pictures."""

from pathlib import Path

from PIL import Image

from m2pt.modalities.image.decoding.pictures import SUFFIXES, read_picture
from m2pt.modalities.image.items import PictureItems, require_pictures
from m2pt.modalities.own.dataset import GOALS, OwnFiles, OwnSplit
from m2pt.modalities.own.targets import targets
from m2pt.modalities.shared.wanted import Wanted

_NAME = "of one's own pictures"


class OwnPictures(PictureItems):
    """One split, read picture by picture."""

    def __init__(self, own: OwnSplit, wanted: Wanted) -> None:
        super().__init__(_NAME, wanted, own.classes, targets(own, wanted.goal), GOALS)
        self._own = own

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._own.file(index)

    def picture(self, index: int) -> Image.Image:
        """Read one picture. Raises `UserError` naming its file."""
        return read_picture(self._own.member(index))


def _require_possible(wanted: Wanted) -> None:
    require_pictures(_NAME, wanted, GOALS)


def _sizes(path: Path) -> dict[str, float]:
    with Image.open(path) as picture:
        return {"width (pixels)": picture.width, "height (pixels)": picture.height}


OWN = OwnFiles(SUFFIXES, OwnPictures, _require_possible, _sizes)
