"""Small published data sets, written with lists of any form."""

import json

import h5py
import numpy as np
import soundfile
from PIL import Image

from m2pt.config import AudioInput, ImageInput, PointInput, TestConfig, VideoInput
from m2pt.modalities.registry import SPECS, datasets
from m2pt.modalities.shared.wanted import Wanted
from tests.modalities.video.coded import numbered, write_video

READERS = {name: spec.open for name, spec in datasets()}
RATE = 16000


def wanted(dataset):
    goal, form = "classification", AudioInput(form="published", hop_ms=10.0, frames=16, mels=64, patch=16)
    if dataset in SPECS["image"].datasets:
        form = ImageInput(form="published", size=32, channels=3, patch=16, mean=(0.5,) * 3, std=(0.5,) * 3)
        goal = {"ade20k": "semantic_segmentation", "coco": "instance_segmentation"}.get(dataset, goal)
    if dataset in SPECS["point"].datasets:
        form = PointInput(form="published", points=16, groups=4, neighbours=4)
    if dataset in SPECS["video"].datasets:
        form = VideoInput(form="published", frames=2, size=16, channels=1, tubelet=2, patch=16)
    return Wanted(input=form, augment=None, test=TestConfig(), goal="tagging" if dataset == "audioset" else goal)


def sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(4000), RATE)


def write(folder, dataset, text):
    """A small data set; `text(path, content)` writes its lists."""
    folder.mkdir(parents=True)
    match dataset:
        case "audioset":
            text(folder / "class_labels_indices.csv", 'index,mid,display_name\n0,/m/0,"Bark, loud"\n1,/m/1,Rain\n')
            for split in ("train", "eval"):
                entries = [{"wav": f"{split} {number}.wav", "labels": f"/m/{number}"} for number in range(2)]
                text(folder / f"{split}.json", json.dumps({"data": entries}))
                [sound(folder / entry["wav"]) for entry in entries]
        case "esc50":
            rows = [f"{fold}-{target}.wav,{fold},{target},c{target}" for fold in range(1, 6) for target in range(2)]
            (folder / "meta").mkdir()
            text(folder / "meta" / "esc50.csv", "\n".join(["filename,fold,target,category", *rows]) + "\n")
            [sound(folder / "audio" / row.split(",")[0]) for row in rows]
        case "speech-commands":
            for name, lists in (("validation_list.txt", "b"), ("testing_list.txt", "c")):
                text(folder / name, f"no/{lists}.wav\nyes/{lists}.wav\n")
            [sound(folder / word / f"{speaker}.wav") for word in ("no", "yes") for speaker in "abc"]
        case "imagenet":
            for split in ("train", "val"):
                for name in ("n01", "n02"):
                    (folder / split / name).mkdir(parents=True)
                    Image.new("RGB", (40, 40)).save(folder / split / name / "a b.JPEG")
        case "ade20k":
            for split in ("training", "validation"):
                for kind, name, mode in (("images", "a.jpg", "RGB"), ("annotations", "a.png", "L")):
                    (folder / kind / split).mkdir(parents=True)
                    Image.new(mode, (40, 40), 1 if mode == "L" else 0).save(folder / kind / split / name)
            text(folder / "objectInfo150.txt", "Idx\tName\n" + "".join(f"{number}\tthing\n" for number in range(1, 151)))
        case "coco":
            for split in ("train2017", "val2017"):
                (folder / split).mkdir()
                (folder / "annotations").mkdir(exist_ok=True)
                Image.new("RGB", (40, 40)).save(folder / split / "a.jpg")
                thing = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 50, "bbox": [0, 0, 10, 10]}
                document = {
                    "images": [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 40}],
                    "categories": [{"id": number, "name": name} for number, name in enumerate(("café", "tree"), start=1)],
                    "annotations": [thing | {"segmentation": [[0, 0, 10, 0, 10, 10]]}],
                }
                text(folder / "annotations" / f"instances_{split}.json", json.dumps(document, ensure_ascii=False))
        case "modelnet40":
            text(folder / "shape_names.txt", "chair\ntable\n")
            for split in ("train", "test"):
                text(folder / f"{split}_files.txt", f"data/modelnet40_ply_hdf5_2048/{split}0.h5\n")
                with h5py.File(folder / f"{split}0.h5", "w") as file:
                    file["data"] = np.random.default_rng(0).standard_normal((2, 16, 3)).astype(np.float32)
                    file["label"] = np.array([[0], [1]], np.uint8)
        case "kinetics":
            for split in ("train", "val"):
                text(folder / f"{split}.csv", f"{split} a.mp4 0\n{split} b.mp4 1\n")
                [write_video(folder / f"{split} {name}.mp4", numbered(4, 48, 48)) for name in "ab"]
            text(folder / "classes.txt", "run\njump\n")
    return folder
