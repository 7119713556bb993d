"""COCO's files: pictures, objects and masks, as COCO's own program reads them."""

import contextlib
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from m2pt.config import ImageAugment, ImageInput, TestConfig, UserError
from m2pt.modalities.image.datasets.coco import open_coco
from m2pt.modalities.image.decoding.coco import _counts
from m2pt.modalities.image.heads.regions import roi_align
from m2pt.modalities.image.transforms.instances import InstanceAugment, boxes_of, packed, unpacked
from m2pt.modalities.shared.wanted import Wanted
from m2pt.training.metrics.instances import InstanceAP
from tests.pipelines.published_files import coco as write

INPUT = ImageInput(form="published", size=64, channels=3, patch=16, mean=(0.5,) * 3, std=(0.5,) * 3)
LIST = "annotations/instances_{}2017.json"


def wanted(augment: ImageAugment | None = None) -> Wanted:
    return Wanted(INPUT, augment, TestConfig(), "instance_segmentation")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "coco")
    return tmp_path / "coco"


def change(folder: Path, split: str, edit) -> None:
    path = folder / LIST.format(split)
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def official(folder: Path, split: str) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / LIST.format(split)))


def test_a_tested_picture_has_the_objects_of_cocos_program(folder):
    items, truth = open_coco(folder, "test", wanted()), official(folder, "val")
    assert (len(items), items.classes) == (3, ("wedge", "box"))
    assert open_coco(folder, "val", wanted()) is None
    for index in range(3):
        item = items.test(index)
        theirs = truth.loadAnns(truth.getAnnIds(imgIds=10 + index))
        assert item["given"].tolist() == [40, 56, 46, 64] and int(item["number"]) == index
        assert [row[:7].tolist() for row in item["y"]] == [
            [[3, 7].index(entry["category_id"]), entry["iscrowd"], entry["area"], *entry["bbox"]] for entry in theirs
        ]
        for row, entry in zip(item["y"], theirs, strict=True):
            code = bytes(row[7:].to(torch.uint8).tolist()).rstrip(b"\0")
            assert np.array_equal(coco.decode({"size": [40, 56], "counts": code}), truth.annToMask(entry))
    assert [int(row[1]) for row in items.test(2)["y"]] == [0, 1], "a crowd is tested, so that what finds it is not wrong"


def test_who_finds_exactly_the_objects_of_the_samples_scores_100(folder):
    """Through the sizes that samples, detections and scores have: boxes as the model sees them, masks cut out of its picture."""
    items, meter = open_coco(folder, "test", wanted()), InstanceAP(2)
    for index in range(len(items)):
        item, size = items.test(index), items.objects.size(index)
        scale = torch.tensor([64 / size[1], 46 / size[0]] * 2, dtype=torch.float64)
        rows = torch.zeros(1, 5, 6 + 28 * 28)
        for place, number in enumerate(number for number in items.objects.of(index) if not items.objects.crowds[number]):
            left, top, wide, high = items.objects.numbers[number, 1:].tolist()
            box = torch.tensor([left, top, left + wide, top + high], dtype=torch.float64) * scale
            mask = torch.from_numpy(items.objects.outline(number, size).mask((64 / 56, 46 / 40), (0, 0), None, 64))
            cut = roi_align(mask[None].double(), box[None], 28, 1.0)[0, 0]
            rows[0, place] = torch.cat([torch.tensor([0.9, float(items.objects.labels[number])]), box, cut.flatten()])
        meter.add(rows, {name: value[None] for name, value in item.items()})
    scores = meter.result()
    assert scores["ap_box"] == pytest.approx(100.0)
    assert scores["ap_mask"] > 90 and scores["ap_mask_75"] == pytest.approx(100.0)


def test_scores_are_those_that_cocos_program_gives_the_file_itself(folder):
    """With ids in any order and with gaps, a class without an object, crowds, boxes beyond the picture and without area."""
    rng, detections = np.random.default_rng(0), []

    def scatter(document):
        document["categories"] = [{"id": number, "name": str(number)} for number in (90, 3, 55, 7)]
        document["annotations"] = []
        for number in range(18):
            left, top, wide, high = (
                rng.uniform((-5, -5, 0, 0), (40, 25, 20, 18)).round(2).tolist() if number else (5.0, 5.0, 0.0, 0.0)
            )
            crowd = int(number % 6 == 5)
            outline = (
                {"size": [40, 56], "counts": [100, 40, 2100]} if crowd else [[left, top, left + wide, top, left, top + high]]
            )
            entry = {"id": 100 - number, "image_id": 10 + number % 3, "category_id": (3, 7, 90)[number % 7 % 3], "iscrowd": crowd}
            entry |= {"bbox": [left, top, wide, high], "area": (wide * high, 5000.0, 20000.0)[number % 4 % 3]}
            document["annotations"].append(entry | {"segmentation": outline})

    change(folder, "val", scatter)
    items, truth, meter = open_coco(folder, "test", wanted()), official(folder, "val"), InstanceAP(4)
    for index in range(len(items)):
        item, rows = items.test(index), torch.zeros(1, 100, 6 + 28 * 28)
        for place, entry in enumerate(3 * truth.loadAnns(truth.getAnnIds(imgIds=10 + index))):
            corner = np.clip(np.array(entry["bbox"][:2]) + rng.normal(0, 2, 2), 0, (50, 35))
            size = np.clip(np.array(entry["bbox"][2:]) + rng.normal(0, 2, 2), 1, (56, 40) - corner)
            score, label = float(np.float32(rng.random())), [3, 7, 55, 90].index(entry["category_id"])
            box = np.concatenate([corner, corner + size]) * (64 / 56, 46 / 40, 64 / 56, 46 / 40)
            rows[0, place, :6] = torch.tensor([score, label, *box])
            detections.append({"image_id": 10 + index, "category_id": entry["category_id"], "score": score})
            detections[-1]["bbox"] = [*corner.tolist(), *size.tolist()]
        meter.add(rows, {name: value[None] for name, value in item.items()})
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    scores = meter.result()
    names = ("ap_box", "ap_box_50", "ap_box_75", "ap_box_small", "ap_box_medium", "ap_box_large")
    assert [scores[name] for name in names] == pytest.approx((100 * evaluation.stats[:6]).tolist(), abs=1e-3)
    assert 1 < scores["ap_box"] < 95


def test_a_picture_lies_at_the_top_left_and_is_continued_by_the_mean(folder):
    x = open_coco(folder, "test", wanted()).test(0)["x"]
    assert x.shape == (1, 3, 64, 64)
    with Image.open(folder / "val2017" / f"{0:012}.jpg") as picture:
        small = np.asarray(picture.resize((64, 46), Image.Resampling.BILINEAR))
    assert np.array_equal((x[0, :, :46] * 255).round().byte().permute(1, 2, 0).numpy(), small)
    assert (x[0, :, 46:] == 0.5).all()


def test_without_augmentation_the_whole_picture_is_trained_with(folder):
    items = open_coco(folder, "train", wanted())
    labels, masks = unpacked(items.train(0, 0)["y"], 64)
    assert labels.tolist() == [2]
    left, top, right, bottom = boxes_of(masks)[0].tolist()
    assert (left, right) == pytest.approx((4 * 64 / 56, 24 * 64 / 56), abs=1)
    assert (top, bottom) == pytest.approx((6 * 46 / 40, 22 * 46 / 40), abs=1)
    assert masks[0].sum() == pytest.approx(20 * 16 * (64 / 56) ** 2, rel=0.1)


def test_pictures_without_an_object_and_crowds_are_not_trained_with(folder):
    def alone(document):
        document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] != 10]
        document["annotations"][0] |= {"iscrowd": 1, "segmentation": {"size": [40, 56], "counts": [100, 40, 2100]}}

    change(folder, "train", alone)
    items = open_coco(folder, "train", wanted())
    assert [items.file(index).name for index in range(len(items))] == [f"{number:012}.jpg" for number in (2, 3, 4, 5)]


def test_masks_follow_their_pictures(folder):
    """Each object is of a colour of its own, so its mask can be seen in the picture after any change."""
    items = open_coco(folder, "train", wanted(ImageAugment(scene_scale=(0.5, 2.0))))
    seen, flipped = 0, set()
    for seed in range(12):
        item = items.train(4, seed)
        labels, masks = unpacked(item["y"], 64)
        for label, mask in zip(labels.tolist(), masks, strict=True):
            channel = 2 - label
            bright = item["x"][channel] - item["x"][2] > 0.35
            both = (mask & bright).sum() / (mask | bright).sum()
            assert both > 0.8, (seed, label)
            seen += 1
        if len(masks) == 2:
            flipped.add(bool(boxes_of(masks)[0, 0] > boxes_of(masks)[1, 0]))
    assert seen > 12 and flipped == {True, False}


def test_seeds_give_equal_samples_and_scales_reach_their_ends(folder):
    items = open_coco(folder, "train", wanted(ImageAugment(scene_scale=(0.1, 2.0))))
    copy = pickle.loads(pickle.dumps(items))
    sizes = []
    for seed in range(40):
        one, other = items.train(0, seed), copy.train(0, seed)
        assert torch.equal(one["x"], other["x"]) and torch.equal(one["y"], other["y"])
        grey = (one["x"] == 128 / 255).all(dim=0)
        sizes.append(64 - int(grey.all(dim=0).sum()))
    assert min(sizes) < 16 and sum(size == 64 for size in sizes) > 10


def test_the_crop_of_a_large_picture_is_anywhere():
    """Detectron2's FixedSizeCrop draws one number for both axes."""
    picture = Image.fromarray(np.arange(64, dtype=np.uint8)[None].repeat(64, 0))
    grey = INPUT.model_copy(update={"channels": 1, "mean": (0.5,), "std": (0.5,)})
    augment = InstanceAugment(grey, ImageAugment(scene_scale=(2.0, 2.0), flip=0.0))
    lefts = [augment(picture, [], [], torch.Generator().manual_seed(seed))[0][0, 0, 0] * 255 * 2 for seed in range(60)]
    assert min(lefts) < 8 and max(lefts) > 56


def test_a_mask_in_run_length_code_follows_too(folder):
    """Crowds are not trained with; other lists also have single objects so."""
    mask = np.zeros((40, 56), np.uint8)
    mask[6:22, 4:24] = 1
    code = coco.encode(np.asfortranarray(mask))["counts"].decode()

    def coded(document):
        (entry,) = (entry for entry in document["annotations"] if entry["image_id"] == 10)
        entry["segmentation"] = {"size": [40, 56], "counts": code}

    for seed in range(6):
        plain = open_coco(folder, "train", wanted(ImageAugment(scene_scale=(1.0, 1.5)))).train(0, seed)
        change(folder, "train", coded)
        other = open_coco(folder, "train", wanted(ImageAugment(scene_scale=(1.0, 1.5)))).train(0, seed)
        assert torch.equal(plain["x"], other["x"])
        one, two = (unpacked(item["y"], 64)[1] for item in (plain, other))
        if len(one):
            assert (one & two).sum() / (one | two).sum() > 0.85


def test_the_compressed_code_of_a_mask_is_read_as_cocos_program_does():
    """With runs of every length, also shorter than the one before the last: differences below zero."""
    rng = np.random.default_rng(0)
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        mask = (rng.random((37, 61)) < share).astype(np.uint8)
        counts = _counts(coco.encode(np.asfortranarray(mask))["counts"])
        flat = np.concatenate([np.full(count, place % 2) for place, count in enumerate(counts)])
        assert np.array_equal(flat, mask.ravel(order="F"))


def test_packing_loses_nothing_but_masks_without_a_pixel():
    masks = np.random.default_rng(0).random((5, 13, 13)) < 0.3
    masks[2] = False
    labels, restored = unpacked(torch.cat([packed(list(masks), [0, 1, 2, 3, 79], 13), torch.zeros(2, 27, dtype=torch.uint8)]), 13)
    assert labels.tolist() == [1, 2, 4, 80]
    assert np.array_equal(restored.numpy(), masks[[0, 1, 3, 4]])
    assert packed([], [], 13).shape == (0, 27) and len(unpacked(packed([], [], 13), 13)[0]) == 0


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda d: d["annotations"][0].update(image_id=99), r"the object 0 has an image_id that is not listed \(99\)"),
        (lambda d: d["annotations"][0].update(category_id=1), r"has an category_id that is not listed \(1\)"),
        (lambda d: d["annotations"][0].update(segmentation=[[1, 2, 3, 4]]), "an outline of the object 0 is no polygon"),
        (lambda d: d["annotations"][0].update(segmentation=[]), "the object 0 has no outline"),
        (lambda d: d["annotations"][0].update(segmentation={"size": [4, 4], "counts": [16]}), "has another size than its"),
        (lambda d: d["annotations"][0].update(segmentation={"size": [40, 56], "counts": [16]}), "does not fill its picture"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "a box that is not left, top, width and height"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, -3, 4]), "a box that is not left, top, width and height"),
        (lambda d: d["annotations"].append(dict(d["annotations"][0])), "names 'object 0' twice; remove one of the entries"),
        (
            lambda d: d.update(categories=[{"id": number, "name": str(number)} for number in range(256)]),
            "has 256 categories, and objects are of 255 at most; leave some out",
        ),
        (lambda d: d["annotations"][0].pop("area"), r"is not a whole list of COCO's objects \(KeyError: 'area'\)"),
        (lambda d: d["annotations"][0].update(segmentation=[[1e300, 2, 3, 4, 5, 6]]), "lies outside of its picture"),
        (lambda d: d["annotations"][0].update(segmentation={"size": [40, 56], "counts": "~~"}), "is not a whole list of COCO's"),
        (lambda d: d["images"][0].update(file_name="../x.jpg"), "names '../x.jpg', which is outside the data folder"),
        (lambda d: d["images"].append(dict(d["images"][0])), "names '10' twice"),
        (lambda d: d.update(images=[], annotations=[]), "lists no picture"),
        (lambda d: d.update(categories=3), "is not a whole list of COCO's objects"),
    ],
)
def test_what_is_wrong_in_a_list_is_told(folder, edit, fault):
    change(folder, "val", edit)
    with pytest.raises(UserError, match=fault) as caught:
        open_coco(folder, "test", wanted())
    assert "instances_val2017.json" in str(caught.value)


def test_missing_files_and_wrong_sizes_are_named(folder, cut):
    items = open_coco(folder, "test", wanted())
    Image.new("RGB", (30, 40)).save(folder / "val2017" / f"{0:012}.jpg")
    with pytest.raises(UserError, match=r"0\.jpg: has 30 × 40 pixels, its annotation 56 × 40; restore the pair"):
        items.test(0)
    cut(folder / "val2017" / f"{1:012}.jpg")
    with pytest.raises(UserError, match=r"1\.jpg: is not a complete image"):
        items.test(1)
    (folder / LIST.format("val")).unlink()
    with pytest.raises(UserError, match=r"instances_val2017\.json: is missing; the data set needs it"):
        open_coco(folder, "test", wanted())
    with pytest.raises(UserError, match="'coco' serves the goal instance_segmentation, not classification"):
        open_coco(folder, "train", Wanted(INPUT, None, TestConfig(), "classification"))
    with pytest.raises(UserError, match="policy and erasing are for pictures with one label"):
        InstanceAugment(INPUT, ImageAugment(erasing=0.25))
