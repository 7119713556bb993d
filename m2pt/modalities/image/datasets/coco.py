"""COCO 2017: 80 classes of objects with boxes and masks, 117,266 + 5,000 pictures.

`<folder>/annotations/instances_{train,val}2017.json` and the pictures in `<folder>/{train,val}2017/`. `val2017` has the published
scores and is the test split here. As in Detectron2, pictures without an object are not trained with (1,021 of 118,287), neither
are crowds; and a picture is turned as its orientation tag says.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageOps

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec, require_variant
from m2pt.modalities.image.decoding.pictures import read_picture
from m2pt.modalities.image.transforms.instances import InstanceAugment, packed, whole
from m2pt.modalities.image.transforms.pictures import sections
from m2pt.modalities.shared.items import Item, Items, seeded
from m2pt.modalities.shared.listed import place, require_folder
from m2pt.modalities.shared.missing import needed
from m2pt.modalities.shared.wanted import Split, Wanted

if TYPE_CHECKING:
    from m2pt.modalities.image.decoding.coco import Annotations

NUM_CLASSES = 80
TRUTH = 7
"""What a row of a tested picture's `y` begins with: class, whether it is a crowd, area; left, top, width, height of its box."""


class Photographs(Items):
    """One split, ordered by the pictures' ids. Without augmentation, a training sample is a whole picture."""

    def __init__(self, wanted: Wanted, folder: Path, annotations: "Annotations") -> None:
        self.config, augment = sections(wanted, ("instance_segmentation",), "coco")
        self.augment = None if augment is None else InstanceAugment(self.config, augment)
        self.folder, self.classes, self.names, self.objects = folder, annotations.classes, annotations.names, annotations.objects
        self.labels = None

    def __len__(self) -> int:
        """How many pictures the split holds."""
        return len(self.names)

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self.folder / self.names[index]

    def train(self, index: int, seed: int) -> Item:
        """One picture, augmented: x (C, size, size), y (objects, 1 + bits of a mask) uint8, as `transforms.instances.packed`."""
        picture, size = self._read(index)
        numbers = self.objects.of(index)
        shapes = [self.objects.outline(number, size) for number in numbers]
        labels = [int(self.objects.labels[number]) for number in numbers]
        if self.augment is None:
            x, (wide, high) = whole(picture, self.config)
            scale = (wide / picture.width, high / picture.height)
            masks = [shape.mask(scale, (0, 0), None, self.config.size) for shape in shapes]
            return {"x": x, "y": packed(masks, labels, self.config.size)}
        with seeded(seed) as generator:
            x, y = self.augment(picture, shapes, labels, generator)
        return {"x": x, "y": y}

    def test(self, index: int) -> Item:
        """One whole picture: x (1, C, size, size); its objects y (objects, 7 + bytes) float64, with crowds: `TRUTH` and the bytes
        of the mask in COCO's code; its height and width in the file and in x `given` (4,); and its `number` in the split.
        """
        picture, size = self._read(index)
        x, (wide, high) = whole(picture, self.config)
        numbers = self.objects.of(index)
        codes = [self.objects.outline(number, size).code() for number in numbers]
        y = torch.zeros((len(numbers), TRUTH + max(map(len, codes), default=0)), dtype=torch.float64)
        for row, number, code in zip(y, numbers, codes, strict=True):
            row[:2] = torch.stack([self.objects.labels[number], self.objects.crowds[number]])
            row[2:TRUTH] = self.objects.numbers[number]
            row[TRUTH : TRUTH + len(code)] = torch.tensor(list(code))
        return {"x": x[None], "y": y, "given": torch.tensor([*size, high, wide]), "number": torch.tensor(index)}

    def _read(self, index: int) -> tuple[Image.Image, tuple[int, int]]:
        """A picture, and its height and width."""
        picture, size = ImageOps.exif_transpose(read_picture(self.file(index))), self.objects.size(index)
        if (picture.height, picture.width) != size:
            sizes = f"{picture.width} × {picture.height} pixels, its annotation {size[1]} × {size[0]}"
            raise UserError(f"{self.file(index)}: has {sizes}; restore the pair.")
        return picture, size


@refuses_unknown
def open_coco(folder: Path, split: Split, wanted: Wanted) -> Photographs | None:
    """Open `train2017`, or `val2017` as the test split; there is no split `val`. No picture is read.

    Raises:
        UserError: a folder or a list is missing, a list is damaged, or pycocotools is not installed.

    """
    require_folder(folder)
    if split == "val":
        return None
    year = "train2017" if split == "train" else "val2017"
    home, listed_in = needed(folder, year), needed(folder, f"annotations/instances_{year}.json")
    require_folder(home)
    _require_pycocotools()
    from m2pt.modalities.image.decoding.coco import read_annotations

    annotations = read_annotations(listed_in, taught=split == "train")
    for name in annotations.names:
        place(home, name, listed_in)
    return Photographs(wanted, home, annotations)


def _require_pycocotools() -> None:
    try:
        import pycocotools.mask  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        raise UserError("dataset coco: needs the package pycocotools; install m2pt with its extra `coco`.") from error


def _require_possible(wanted: Wanted) -> None:
    config, augment = sections(wanted, ("instance_segmentation",), "coco")
    require_variant("coco", wanted, None)
    if augment is not None:
        InstanceAugment(config, augment)


DATASET = DatasetSpec(
    open=open_coco,
    require_possible=_require_possible,
    facts={None: DatasetFacts(117_266, None, 5_000, NUM_CLASSES, "COCO 2017 (arXiv 1405.0312; Detectron2's filter)")},
    never_validates=True,
)
