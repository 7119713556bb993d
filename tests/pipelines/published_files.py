"""Small data sets in the files and folders of the published ones, made from nothing."""

import json
from pathlib import Path

import av
import h5py
import numpy as np
import soundfile
from PIL import Image

from m2pt.modalities.point.datasets.partnet import FINEST_PARTS
from m2pt.modalities.point.datasets.shapenetpart import CATEGORIES

rng = np.random.default_rng(0)


def audioset(folder: Path) -> None:
    lines = ["index,mid,display_name", *(f"{index},/m/{index},sound {index}" for index in range(3))]
    folder.mkdir(parents=True)
    (folder / "class_labels_indices.csv").write_text("\n".join(lines))
    for split in ("balanced_train_data", "eval_data"):
        entries = []
        for number in range(8):
            name = f"{split}-{number}.wav"
            tone = np.sin(np.arange(4000) * (0.05 + 0.1 * (number % 3))) * 0.3 + rng.normal(0, 0.01, 4000)
            soundfile.write(folder / name, tone, 16000)
            entries.append({"wav": name, "labels": f"/m/{number % 3}" + (",/m/2" if number == 1 else "")})
        (folder / f"{split}.json").write_text(json.dumps({"data": entries}))


def esc50(folder: Path) -> None:
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(20):
        name, fold, label = f"{number}.wav", number % 5 + 1, number // 5 % 2
        soundfile.write(folder / "audio" / name, np.sin(np.arange(4000) * (0.05 + 0.2 * label)) * 0.3, 16000)
        rows.append(f"{name},{fold},{label},{'dog' if label else 'cat'},True,1,A")
    (folder / "meta/esc50.csv").write_text("\n".join(rows))


def cloud(count: int, flat: bool) -> np.ndarray:
    points = rng.normal(size=(count, 3)).astype(np.float32)
    return points * (np.array([1, 1, 0.05], np.float32) if flat else 1)


def scanobjectnn(folder: Path) -> None:
    (folder / "main_split").mkdir(parents=True)
    for split in ("training", "test"):
        with h5py.File(folder / f"main_split/{split}_objectdataset.h5", "w") as file:
            file["data"] = np.stack([cloud(64, bool(number % 2)) for number in range(30)])
            file["label"] = np.arange(30) % 15


def shapenetpart(folder: Path) -> None:
    (folder / "train_test_split").mkdir(parents=True)
    firsts = np.cumsum([0, *CATEGORIES.values()]).tolist()
    categories = {name: (f"0{first}", first, parts) for (name, parts), first in zip(CATEGORIES.items(), firsts, strict=False)}
    (folder / "synsetoffset2category.txt").write_text("".join(f"{name}\t{row[0]}\n" for name, row in categories.items()))
    for split in ("train", "val", "test"):
        names = []
        for synset, first, parts in categories.values():
            (folder / synset).mkdir(exist_ok=True)
            for number in range(1):
                points = cloud(80, flat=False)
                labels = first + (points[:, 0] > 0).astype(int) * (parts - 1)
                rows = np.column_stack([points, np.zeros((80, 3)), labels])
                np.savetxt(folder / synset / f"{split}{number}.txt", rows, fmt="%.5f")
                names.append(f"shape_data/{synset}/{split}{number}")
        (folder / f"train_test_split/shuffled_{split}_file_list.json").write_text(json.dumps(names))


def kinetics(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split in ("train", "val"):
        lines = []
        for number in range(6):
            with av.open(str(folder / f"{split}{number}.mp4"), "w") as container:
                stream = container.add_stream("mpeg4", rate=10)
                stream.width = stream.height = 48
                stream.pix_fmt = "yuv420p"
                for _ in range(12):
                    picture = np.full((48, 48, 3), 60 + 120 * (number % 2), np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                container.mux(stream.encode(None))
            lines.append(f"{split}{number}.mp4 {number % 2}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def ade20k(folder: Path) -> None:
    for split, count in (("training", 6), ("validation", 2)):
        for kind in ("images", "annotations"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            labels = np.zeros((40, 56), np.uint8)
            labels[:, 20:] = 1 + number % 3
            Image.fromarray(np.stack([labels * 60] * 3, -1)).save(folder / "images" / split / f"ADE_{number}.jpg")
            Image.fromarray(labels).save(folder / "annotations" / split / f"ADE_{number}.png")


def coco(folder: Path) -> None:
    """A square, a triangle or both in each picture, and a crowd in a tested one."""
    (folder / "annotations").mkdir(parents=True)
    for split, count in (("train2017", 6), ("val2017", 3)):
        (folder / split).mkdir()
        images, objects = [], []
        for number in range(count):
            pixels = rng.integers(0, 60, (40, 56, 3), dtype=np.uint8)
            images.append({"id": 10 + number, "file_name": f"{number:012}.jpg", "height": 40, "width": 56})
            for kind in (0, 1) if number == 4 else (number % 2,):
                left, top = 4 + 24 * kind, 6 + number
                row, column = np.indices((16, 20))
                inside = (column / 20 >= row / 16) | (kind == 0)
                pixels[top : top + 16, left : left + 20, kind] += 180 * inside.astype(np.uint8)
                outline = [left, top, left + 20, top, left + 20, top + 16, *([] if kind else [left, top + 16])]
                objects.append({"image_id": 10 + number, "category_id": (7, 3)[kind], "segmentation": [outline], "iscrowd": 0})
                objects[-1] |= {"bbox": [left, top, 20, 16], "area": 160 * (2 - kind)}
            if split == "val2017" and number == 2:
                mask = {"size": [40, 56], "counts": [100, 40, 2100]}
                objects.append({"image_id": 12, "category_id": 3, "segmentation": mask, "iscrowd": 1})
                objects[-1] |= {"bbox": [2, 0, 2, 40], "area": 40}
            Image.fromarray(pixels).save(folder / split / f"{number:012}.jpg", quality=95)
        document = {"images": images, "categories": [{"id": 3, "name": "wedge"}, {"id": 7, "name": "box"}]}
        document["annotations"] = [entry | {"id": place} for place, entry in enumerate(objects)]
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(document))


def imagenet(folder: Path) -> None:
    for split, count in (("train", 96), ("val", 4)):
        for label in range(3):
            home = folder / split / f"n0000000{label}"
            home.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 90, (48, 64, 3), dtype=np.uint8)
                pixels[..., label] += 120
                Image.fromarray(pixels).save(home / f"{split}_{number}.JPEG")


def partnet(folder: Path) -> None:
    for name, parts in FINEST_PARTS.items():
        home = folder / f"{name}-3"
        home.mkdir(parents=True)
        for split in ("train", "val", "test"):
            with h5py.File(home / f"{split}-00.h5", "w") as file:
                file["data"] = np.stack([cloud(96, flat=False)])
                file["label_seg"] = rng.integers(0, parts, (1, 96))
            (home / f"{split}_files.txt").write_text(f"./{split}-00.h5\n")
