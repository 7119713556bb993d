"""COCO's scores: those of COCO's own program on COCO's own files."""

import contextlib
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from m2pt.config import UserError
from m2pt.training.metrics.instances import InstanceAP, pasted

HIGH, WIDE, SIDE = 50, 70, 28


def scene(seed: int) -> tuple[list[dict], list[dict]]:
    """Objects as COCO's annotations, and what a poor detector makes of them as rows of outputs."""
    rng = np.random.default_rng(seed)
    truths, told = [], []
    for number in range(int(rng.integers(1, 5))):
        wide, high = (int(side) for side in rng.integers(6, 30, 2))
        left, top = int(rng.integers(0, WIDE - wide)), int(rng.integers(0, HIGH - high))
        mask = np.zeros((HIGH, WIDE), np.uint8)
        mask[top : top + high, left : left + wide] = 1
        mask[top : top + high // 3, left : left + wide // 3] = 0
        label, crowd = int(rng.integers(0, 3)), int(number == 3)
        code = coco.encode(np.asfortranarray(mask))
        truths.append({"category_id": label, "iscrowd": crowd, "area": float(mask.sum()), "bbox": [left, top, wide, high]})
        truths[-1]["segmentation"] = {"size": [HIGH, WIDE], "counts": code["counts"].decode()}
        for _ in range(2):
            box = np.array([left, top, left + wide, top + high]) + rng.normal(0, 1.5, 4)
            shape = (rng.random((SIDE, SIDE)) < 0.8).astype(np.float32)
            told.append([float(rng.random()), label if rng.random() < 0.8 else 2, *box, *shape.ravel()])
    return truths, told


def batch(truths: list[dict], number: int, seen: float = 2.0) -> dict[str, torch.Tensor]:
    """As the reader gives them; the model sees pictures `seen` times as large."""
    codes = [truth["segmentation"]["counts"].encode() for truth in truths]
    rows = np.zeros((len(truths), 7 + max(map(len, codes))))
    for row, truth, code in zip(rows, truths, codes, strict=True):
        row[:7] = [truth["category_id"], truth["iscrowd"], truth["area"], *truth["bbox"]]
        row[7 : 7 + len(code)] = list(code)
    sizes = torch.tensor([[HIGH, WIDE, int(HIGH * seen), int(WIDE * seen)]])
    return {"y": torch.from_numpy(rows)[None], "given": sizes, "number": torch.tensor([number])}


def outputs(told: list[list[float]], seen: float = 2.0) -> torch.Tensor:
    rows = torch.zeros(1, 20, 6 + SIDE**2)
    for place, row in enumerate(told):
        rows[0, place] = torch.tensor(row)
    rows[..., 2:6] *= seen
    return rows


def by_files(scenes: list[tuple[list[dict], list[dict]]], folder: Path) -> dict[str, list[float]]:
    """What COCO's program says, given COCO's annotation and result files."""
    annotations, results = [], []
    for number, (truths, told) in enumerate(scenes):
        annotations += [truth | {"image_id": number, "id": 100 * number + place + 1} for place, truth in enumerate(truths)]
        for score, label, left, top, right, bottom, *shape in told:
            box = torch.tensor([left, top, right, bottom]).clamp(min=0).minimum(torch.tensor([WIDE, HIGH] * 2))
            mask = pasted(torch.tensor(shape).view(SIDE, SIDE), box, (HIGH, WIDE)).numpy().astype(np.uint8)
            code = coco.encode(np.asfortranarray(mask))
            results.append(
                {
                    "image_id": number,
                    "category_id": int(label),
                    "score": float(np.float32(score)),
                    "bbox": [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
                    "segmentation": {"size": [HIGH, WIDE], "counts": code["counts"].decode()},
                }
            )
    images = [{"id": number, "height": HIGH, "width": WIDE} for number in range(len(scenes))]
    document = {"images": images, "annotations": annotations, "categories": [{"id": n, "name": f"c{n}"} for n in range(3)]}
    (folder / "instances.json").write_text(json.dumps(document))
    scores = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for kind, lacking in (("bbox", "segmentation"), ("segm", "bbox")):
            (folder / "results.json").write_text(json.dumps([{k: v for k, v in row.items() if k != lacking} for row in results]))
            truth = COCO(str(folder / "instances.json"))
            evaluation = COCOeval(truth, truth.loadRes(str(folder / "results.json")), kind)
            evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
            scores[kind] = [100 * float(score) for score in evaluation.stats[:6]]
    return scores


def test_the_scores_are_those_of_cocos_program_on_cocos_files(tmp_path: Path):
    scenes = [scene(seed) for seed in range(12)]
    meter = InstanceAP(3)
    for number, (truths, told) in enumerate(scenes):
        meter.add(outputs(told), batch(truths, number))
    result, theirs = meter.result(), by_files(scenes, tmp_path)
    assert list(result)[:2] == ["ap_box", "ap_mask"]
    assert 1 < result["ap_mask"] < 99 and 1 < result["ap_box"] < 99
    for kind, name in (("bbox", "ap_box"), ("segm", "ap_mask")):
        ours = [result.get(f"{name}{end}", -100.0) for end in ("", "_50", "_75", "_small", "_medium", "_large")]
        assert ours == pytest.approx(theirs[kind], abs=1e-4)


def test_the_order_of_pictures_and_processes_changes_nothing():
    scenes = [scene(seed) for seed in range(8)]
    meters = [InstanceAP(3) for _ in range(3)]
    for number, (truths, told) in enumerate(scenes):
        meters[0].add(outputs(told), batch(truths, number))
    for number in reversed(range(8)):
        meters[1 + number % 2].add(outputs(scenes[number][1]), batch(scenes[number][0], number))
    meters[2].merge(pickle.loads(pickle.dumps(meters[1])))
    assert meters[2].result() == meters[0].result()
    assert meters[0].each() is None, "average precision is no mean over pictures"


def test_what_is_right_scores_100_and_what_is_missing_0():
    """Closed form: one object, a detection that is exactly it; one of another class; none at all."""
    truths = [{"category_id": 1, "iscrowd": 0, "area": 800.0, "bbox": [10, 10, 20, 40]}]
    mask = np.zeros((HIGH, WIDE), np.uint8)
    mask[10:50, 10:30] = 1
    truths[0]["segmentation"] = {"size": [HIGH, WIDE], "counts": coco.encode(np.asfortranarray(mask))["counts"].decode()}
    whole = [1.0] * SIDE**2
    for told, score in (
        ([[0.9, 1, 10, 10, 30, 50, *whole]], 100.0),
        ([[0.9, 0, 10, 10, 30, 50, *whole]], 0.0),
        ([], 0.0),
        ([[0.95, 1, 40, 10, 60, 50, *whole], [0.9, 1, 10, 10, 30, 50, *whole]], 50.0),
    ):
        meter = InstanceAP(3)
        meter.add(outputs(told), batch(truths, 0))
        result = meter.result()
        assert (result["ap_box"], result["ap_mask"], result["ap_mask_50"]) == pytest.approx((score,) * 3, abs=0.6)
        assert result["ap_box_small"] == result["ap_box"] and "ap_box_large" not in result


def test_no_object_is_no_score():
    with pytest.raises(UserError, match="No picture has an object"):
        InstanceAP(3).result()


def test_a_mask_fills_its_box_and_nothing_else():
    """Closed form: probabilities that are 1 in the left half, over boxes with whole and with broken edges."""
    half = torch.zeros(SIDE, SIDE)
    half[:, : SIDE // 2] = 1
    drawn = pasted(half, torch.tensor([10.0, 5.0, 30.0, 25.0]), (HIGH, WIDE))
    wanted = torch.zeros(HIGH, WIDE, dtype=torch.bool)
    wanted[5:25, 10:20] = True
    assert torch.equal(drawn, wanted)
    edge = pasted(torch.ones(SIDE, SIDE), torch.tensor([-3.0, 40.4, 5.2, 60.0]), (HIGH, WIDE))
    assert edge.nonzero().amin(dim=0).tolist() == [40, 0] and edge.nonzero().amax(dim=0).tolist() == [49, 4]
    assert not pasted(half, torch.tensor([5.0, 5.0, 5.0, 9.0]), (HIGH, WIDE)).any()
