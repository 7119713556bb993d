"""COCO's annotation files (`instances_*.json`): the objects of each picture, held compactly.

https://cocodataset.org/#format-data: an object has a category, a box, an area, and an outline: polygons, or a mask in run-length
code (COCO's own, column by column), which crowds have. Masks are made by COCO's own program, pycocotools.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco  # type: ignore[import-untyped]
from torch import Tensor

from m2pt.config import UserError
from m2pt.modalities.shared.listings import read_document, require_unique

NUMBERS = 5
"""What an object has besides class, crowd and outline: area, and left, top, width and height of its box."""

CORNERS = 3
"""The least of a polygon."""

MOST_CLASSES = 255
"""A byte holds the class of an object that is trained with, counted from 1 (`transforms.instances.packed`)."""


@dataclass(frozen=True)
class Outline:
    """The outline of one object in a picture of `size` (height, width): polygons (x and y in turn), or `counts` of a mask."""

    size: tuple[int, int]
    polygons: tuple[NDArray[np.float64], ...]
    counts: NDArray[np.int64] | None

    def code(self) -> bytes:
        """The mask in COCO's compressed run-length code."""
        return bytes(self._coded(self.polygons, *self.size)["counts"])

    def mask(self, scale: tuple[float, float], shift: tuple[int, int], mirrored: int | None, side: int) -> NDArray[np.bool_]:
        """The mask (side, side) after changes in this order: mirrored at a width, scaled, moved (x before y)."""
        if self.counts is None:
            moved = [_moved(polygon, scale, shift, mirrored) for polygon in self.polygons]
            return np.asarray(coco.decode(self._coded(moved, side, side))).astype(np.bool_)
        own = np.asarray(coco.decode(self._coded((), *self.size))).astype(np.bool_)
        own = own if mirrored is None else own[:, ::-1]
        places = [
            np.floor((np.arange(side) + 0.5 - start) / factor).astype(np.int64)
            for factor, start in zip(scale, shift, strict=True)
        ]
        (columns, rows), (high, wide) = places, self.size
        within = ((rows >= 0) & (rows < high))[:, None] & ((columns >= 0) & (columns < wide))
        moved_mask: NDArray[np.bool_] = own[rows.clip(0, high - 1)[:, None], columns.clip(0, wide - 1)] & within
        return moved_mask

    def _coded(self, polygons: Sequence[NDArray[np.float64]], high: int, wide: int) -> dict[str, Any]:
        if self.counts is not None:
            made: dict[str, Any] = coco.frPyObjects({"size": [high, wide], "counts": self.counts.tolist()}, high, wide)
            return made
        merged: dict[str, Any] = coco.merge(coco.frPyObjects([polygon.tolist() for polygon in polygons], high, wide))
        return merged


def _moved(
    polygon: NDArray[np.float64], scale: tuple[float, float], shift: tuple[int, int], mirrored: int | None
) -> NDArray[np.float64]:
    x, y = polygon[0::2], polygon[1::2]
    x = x if mirrored is None else mirrored - x
    return np.stack([x * scale[0] + shift[0], y * scale[1] + shift[1]], axis=1).ravel()


@dataclass(frozen=True)
class Objects:
    """All objects of an annotation file, in the order of their pictures: tensors, which processes that read files share.

    `starts` (pictures + 1) says which objects (A) belong to a picture, `rings` (A + 1) which `ends` of polygons belong to an
    object, and these where its coordinates (or the counts of its mask, if it `is_mask`) end in `values`.
    """

    sizes: Tensor
    starts: Tensor
    labels: Tensor
    crowds: Tensor
    numbers: Tensor
    is_mask: Tensor
    rings: Tensor
    ends: Tensor
    values: Tensor

    def of(self, picture: int) -> range:
        """The objects of a picture."""
        return range(int(self.starts[picture]), int(self.starts[picture + 1]))

    def size(self, picture: int) -> tuple[int, int]:
        """Height and width of a picture."""
        return int(self.sizes[picture, 0]), int(self.sizes[picture, 1])

    def outline(self, number: int, size: tuple[int, int]) -> Outline:
        """The outline of an object in a picture of that size."""
        first, last = int(self.rings[number]), int(self.rings[number + 1])
        parts = [self.values[start:end].numpy() for start, end in pairwise(self.ends[first : last + 1].tolist())]
        if self.is_mask[number]:
            return Outline(size, (), parts[0].astype(np.int64))
        return Outline(size, tuple(parts), None)


@dataclass(frozen=True)
class Annotations:
    """The classes, the names of the pictures' files, ordered by the pictures' ids, and their objects."""

    classes: tuple[str, ...]
    names: tuple[str, ...]
    objects: Objects


def read_annotations(path: Path, *, taught: bool) -> Annotations:
    """The content of an annotation file; if `taught`, only the pictures with an object that is no crowd, and no crowds.

    Raises:
        UserError: it is missing or damaged, or an entry contradicts another.

    """
    document = read_document(path)
    try:
        return _annotations(path, document, taught=taught)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise UserError(
            f"{path}: is not a whole list of COCO's objects ({type(error).__name__}: {error}); restore the file."
        ) from error


def _annotations(path: Path, document: Mapping[str, Any], *, taught: bool) -> Annotations:
    categories = sorted((int(entry["id"]), str(entry["name"])) for entry in document["categories"])
    pictures = sorted(
        (int(entry["id"]), str(entry["file_name"]), int(entry["height"]), int(entry["width"])) for entry in document["images"]
    )
    require_unique([str(number) for number, _ in categories], path)
    require_unique([str(number) for number, *_ in pictures], path)
    require_unique([name for _, name, *_ in pictures], path)
    require_unique([f"object {entry['id']}" for entry in document["annotations"]], path)
    if len(categories) > MOST_CLASSES:
        raise UserError(f"{path}: has {len(categories)} categories, and objects are of {MOST_CLASSES} at most; leave some out.")
    of_picture: dict[int, list[Mapping[str, Any]]] = {number: [] for number, *_ in pictures}
    known = {number: place for place, (number, _) in enumerate(categories)}
    for entry in document["annotations"]:
        if entry["image_id"] not in of_picture or entry["category_id"] not in known:
            key = "category_id" if entry["image_id"] in of_picture else "image_id"
            raise UserError(f"{path}: the object {entry['id']} has an {key} that is not listed ({entry[key]}); restore the file.")
        if not (taught and entry.get("iscrowd", 0)):
            of_picture[entry["image_id"]].append(entry)
    kept = [picture for picture in pictures if of_picture[picture[0]] or not taught]
    if not kept:
        raise UserError(f"{path}: lists no picture{' with an object' if taught else ''}; restore the file.")
    entries = [(entry, (high, wide)) for number, _, high, wide in kept for entry in of_picture[number]]
    counts = [len(of_picture[number]) for number, *_ in kept]
    return Annotations(
        tuple(name for _, name in categories), tuple(name for _, name, *_ in kept), _objects(path, kept, counts, entries, known)
    )


def _objects(
    path: Path,
    pictures: Sequence[tuple[int, str, int, int]],
    counts: Sequence[int],
    entries: Sequence[tuple[Mapping[str, Any], tuple[int, int]]],
    known: Mapping[int, int],
) -> Objects:
    outlines = [list(_rings(path, entry, size)) for entry, size in entries]
    rings = [ring for outline in outlines for ring in outline]
    numbers = [[float(entry["area"]), *map(float, entry["bbox"])] for entry, _ in entries]
    if any(len(row) != NUMBERS or min(row[0], *row[-2:]) < 0 for row in numbers) or not np.isfinite(numbers).all():
        raise UserError(f"{path}: has a box that is not left, top, width and height; restore the file.")
    values = np.concatenate([np.zeros(0), *(np.asarray(ring, np.float64) for ring in rings)])
    if not np.isfinite(values).all():
        raise UserError(f"{path}: has an outline with numbers that are not finite; restore the file.")
    return Objects(
        sizes=torch.tensor([[high, wide] for _, _, high, wide in pictures]),
        starts=torch.tensor([0, *accumulate(counts)]),
        labels=torch.tensor([known[entry["category_id"]] for entry, _ in entries], dtype=torch.int64),
        crowds=torch.tensor([bool(entry.get("iscrowd", 0)) for entry, _ in entries], dtype=torch.bool),
        numbers=torch.tensor(numbers, dtype=torch.float64).view(-1, NUMBERS),
        is_mask=torch.tensor([isinstance(entry["segmentation"], dict) for entry, _ in entries], dtype=torch.bool),
        rings=torch.tensor([0, *accumulate(map(len, outlines))]),
        ends=torch.tensor([0, *accumulate(map(len, rings))]),
        values=torch.from_numpy(values),
    )


def _rings(path: Path, entry: Mapping[str, Any], size: tuple[int, int]) -> Iterator[Sequence[float]]:
    """The coordinates of each polygon of an object, or the counts of its mask."""
    outline = entry["segmentation"]
    if isinstance(outline, dict):
        if tuple(outline["size"]) != size:
            raise UserError(f"{path}: the mask of the object {entry['id']} has another size than its picture; restore the file.")
        counts = outline["counts"]
        if isinstance(counts, str):
            counts = _counts(counts.encode())
        if sum(counts) != size[0] * size[1] or min(counts) < 0:
            raise UserError(f"{path}: the mask of the object {entry['id']} does not fill its picture; restore the file.")
        yield counts
        return
    for polygon in outline:
        if len(polygon) % 2 or len(polygon) < 2 * CORNERS:
            raise UserError(f"{path}: an outline of the object {entry['id']} is no polygon; restore the file.")
        if any(not -side <= place <= 2 * side for side, first in zip(size, (1, 0), strict=True) for place in polygon[first::2]):
            raise UserError(f"{path}: an outline of the object {entry['id']} lies outside of its picture; restore the file.")
        yield polygon
    if not outline:
        raise UserError(f"{path}: the object {entry['id']} has no outline; restore the file.")


def _counts(code: bytes) -> list[int]:
    """The lengths of the runs in COCO's compressed code: five bits a byte, the lowest first, each but the first three as the
    difference from the one before the last. COCO's own program trusts its input and would write beyond its memory.
    """
    counts: list[int] = []
    digits: list[int] = []
    for byte in code:
        if not 0 <= byte - 48 < 64:
            raise ValueError("a byte of a mask's code is none")
        digits.append(byte - 48)
        if digits[-1] & 32:
            continue
        value = sum((digit & 31) << (5 * place) for place, digit in enumerate(digits))
        value -= (1 << (5 * len(digits))) if digits[-1] & 16 else 0
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        digits = []
    return counts
