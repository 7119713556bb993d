"""Scores of detected objects, computed by COCO's own program (pycocotools). B batch, D detections, G objects."""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from m2pt.config import UserError
from m2pt.modalities.shared.items import Item
from m2pt.training.metrics.meter import Meter

TOLD = 6
"""What a detection begins with: score, class, left, top, right, bottom; then its mask, row by row."""

TRUTH = 7
"""What an object begins with: class, whether it is a crowd, area; left, top, width, height of its box; then its mask's code."""

_STATISTICS = {0: "", 1: "_50", 2: "_75", 3: "_small", 4: "_medium", 5: "_large"}
"""The places of `COCOeval.stats`: over all thresholds of overlap, at one half, at three quarters; of objects by their area."""


@dataclass(frozen=True)
class _Picture:
    """One tested picture: its size, what is in it, and what was detected, in the form of COCO's files."""

    size: tuple[int, int]
    truths: list[dict[str, Any]]
    detections: list[dict[str, Any]]


class InstanceAP(Meter):
    """COCO's scores: `ap_box` and `ap_mask`, average precision at overlaps of .50 to .95, averaged over classes.

    Further ones end in `_50` and `_75` (one overlap), `_small`, `_medium` and `_large` (objects of that area); they are left out
    where no object counts for them. None is a mean over pictures.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._pictures: dict[int, _Picture] = {}

    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in detections (B, D, 6 + side²) on pictures as the model sees them, objects `y` (B, G, 7 + bytes), the sizes of
        the pictures in their files and as seen `given` (B, 4), and their numbers `number` (B,).
        """
        for told, rows, given, number in zip(outputs, batch["y"], batch["given"].tolist(), batch["number"], strict=True):
            high, wide, seen_high, seen_wide = map(int, given)
            scale = torch.tensor([wide / seen_wide, high / seen_high] * 2)
            detections = [_detection(row, row[2:TOLD] * scale, (high, wide)) for row in told[told[:, 0] > 0].to(torch.float32)]
            self._pictures[int(number)] = _Picture((high, wide), [_truth(row, (high, wide)) for row in rows.numpy()], detections)

    def merge(self, other: Self) -> None:
        """Add another's pictures."""
        self._pictures |= other._pictures

    def result(self) -> dict[str, float]:
        """`ap_box`, `ap_mask` and the others, in percent. Raises `UserError` without an object."""
        if not any(not truth["iscrowd"] for picture in self._pictures.values() for truth in picture.truths):
            raise UserError("No picture has an object, so there is no average precision; check the annotations of the data set.")
        with redirect_stdout(io.StringIO()):  # COCO's program tells what it does
            scores = {kind: self._scores(kind) for kind in ("box", "mask")}
        return {f"ap_{kind}": of_kind.pop("") for kind, of_kind in scores.items()} | {
            f"ap_{kind}{name}": score for kind, of_kind in scores.items() for name, score in of_kind.items()
        }

    def _scores(self, kind: str) -> dict[str, float]:
        from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

        left_out = {"box": "segmentation", "mask": "bbox"}[kind]  # what is matched also says how large a detection is
        detections = [
            {key: value for key, value in entry.items() if key != left_out} | {"image_id": number}
            for number in sorted(self._pictures)
            for entry in self._pictures[number].detections
        ]
        truth = self._listed([truth | {"image_id": n} for n in sorted(self._pictures) for truth in self._pictures[n].truths])
        evaluation = COCOeval(
            truth, truth.loadRes(detections) if detections else self._listed([]), {"box": "bbox", "mask": "segm"}[kind]
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        stats = {name: float(evaluation.stats[place]) for place, name in _STATISTICS.items()}
        return {name: 100.0 * score for name, score in stats.items() if score >= 0}

    def _listed(self, entries: list[dict[str, Any]]) -> Any:
        """A list of objects in the form that COCO's program works with."""
        from pycocotools.coco import COCO  # type: ignore[import-untyped]

        listed = COCO()
        listed.dataset = {
            "images": [
                {"id": number, "height": picture.size[0], "width": picture.size[1]}
                for number, picture in sorted(self._pictures.items())
            ],
            "categories": [{"id": number, "name": str(number)} for number in range(self.num_classes)],
            "annotations": [entry | {"id": place} for place, entry in enumerate(entries, start=1)],
        }
        listed.createIndex()
        return listed


def _truth(row: NDArray[np.float64], size: tuple[int, int]) -> dict[str, Any]:
    return {
        "category_id": int(row[0]),
        "iscrowd": int(row[1]),
        "area": float(row[2]),
        "bbox": row[3:TRUTH].tolist(),
        "segmentation": {"size": list(size), "counts": row[TRUTH:].astype(np.uint8).tobytes().rstrip(b"\0")},
    }


def _detection(row: Tensor, box_4: Tensor, size: tuple[int, int]) -> dict[str, Any]:
    from pycocotools import mask as coco  # type: ignore[import-untyped]

    high, wide = size
    left, top, right, bottom = box_4.clamp(min=0).minimum(torch.tensor([wide, high] * 2)).tolist()
    side = round((len(row) - TOLD) ** 0.5)
    drawn = pasted(row[TOLD:].view(side, side), torch.tensor([left, top, right, bottom]), size)
    return {
        "category_id": int(row[1]),
        "score": float(row[0]),
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": coco.encode(np.asfortranarray(drawn.numpy().astype(np.uint8))),
    }


def pasted(mask_SS: Tensor, box_4: Tensor, size: tuple[int, int]) -> Tensor:
    """The mask (H, W) bool in a picture of `size`: probabilities stretched over a box bilinearly, 1/2 or more (as Detectron2)."""
    left, top, right, bottom = box_4.tolist()
    high, wide = size
    x0, y0 = max(int(left) - 1, 0), max(int(top) - 1, 0)
    x1, y1 = min(int(right) + 2, wide), min(int(bottom) + 2, high)
    drawn = torch.zeros(size, dtype=torch.bool)
    if right <= left or bottom <= top:
        return drawn
    x = (torch.arange(x0, x1, dtype=torch.float32) + 0.5 - left) / (right - left) * 2 - 1
    y = (torch.arange(y0, y1, dtype=torch.float32) + 0.5 - top) / (bottom - top) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    inside = grid_sample(mask_SS[None, None].float(), grid[None], align_corners=False)[0, 0] >= 0.5
    drawn[y0:y1, x0:x1] = inside
    return drawn
