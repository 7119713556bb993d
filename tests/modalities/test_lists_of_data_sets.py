"""Published data sets in folders as people have them: lists from other systems, archives unpacked a level too deep."""

import json
import shutil

import h5py
import numpy as np
import pytest
import soundfile
from PIL import Image

from m2pt.config import AudioInput, ImageInput, PointInput, TestConfig, UserError, VideoInput
from m2pt.modalities.audio.readers import READERS as AUDIO
from m2pt.modalities.image.readers import READERS as IMAGE
from m2pt.modalities.items import Wanted
from m2pt.modalities.point.readers import READERS as POINT
from m2pt.modalities.video.readers import READERS as VIDEO
from tests.modalities.video.coded import numbered, write_video

READERS = AUDIO | IMAGE | POINT | VIDEO
RATE = 16000


def wanted(dataset):
    goal, form = "classification", AudioInput(form="published", hop_ms=10.0, frames=16, mels=64, patch=16)
    if dataset in IMAGE:
        form = ImageInput(form="published", size=32, channels=3, patch=16, mean=(0.5,) * 3, std=(0.5,) * 3)
        goal = "semantic_segmentation" if dataset == "ade20k" else goal
    if dataset in POINT:
        form = PointInput(form="published", points=16, groups=4, neighbours=4)
    if dataset in VIDEO:
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


def contents(folder, dataset):
    """What a reader makes of a folder: classes, names of files, labels and samples."""
    found = []
    for split in ("train", "test"):
        items = READERS[dataset](folder, split, wanted(dataset))
        names = [items.name(index).removeprefix(str(folder)) for index in range(len(items))]
        samples = [items.test(index)["x"].numpy().tobytes() for index in range(len(items))]
        found.append((items.classes, names, None if items.labels is None else items.labels.tolist(), samples))
    return found


DATA_SETS = ("audioset", "esc50", "speech-commands", "imagenet", "ade20k", "modelnet40", "kinetics")


@pytest.mark.parametrize("dataset", [name for name in DATA_SETS if name != "imagenet"])
@pytest.mark.parametrize(
    ("encoding", "end", "tail"), [("utf-8-sig", "\r\n", "\r\n \r\n"), ("utf-16", "\n", "\n"), ("utf-8", "\r\n", "")]
)
def test_lists_of_other_systems_say_the_same(tmp_path, dataset, encoding, end, tail):
    """A byte-order mark, ends of lines of another system, empty lines at the end."""

    def plainly(path, content):
        path.write_bytes(content.encode())

    def elsewhere(path, content):
        path.write_bytes((content.rstrip("\n").replace("\n", end) + tail).encode(encoding))

    truth = contents(write(tmp_path / "plain", dataset, plainly), dataset)
    assert contents(write(tmp_path / "other", dataset, elsewhere), dataset) == truth


@pytest.mark.parametrize(
    ("dataset", "inside"),
    [
        ("audioset", "egs/audioset/data"),
        ("esc50", "ESC-50-master"),
        ("speech-commands", "speech_commands_v0.02"),
        ("imagenet", "ILSVRC/Data/CLS-LOC"),
        ("ade20k", "ADEChallengeData2016"),
        ("modelnet40", "modelnet40_ply_hdf5_2048"),
        ("kinetics", "k400"),
    ],
)
def test_a_folder_too_high_is_refused_with_the_right_one(tmp_path, dataset, inside):
    home = write(tmp_path / "root" / inside, dataset, lambda path, content: path.write_text(content))
    for split in ("train", "test"):
        with pytest.raises(UserError, match=rf"missing|has neither.*root/{inside} holds it: let the path lead there") as caught:
            READERS[dataset](tmp_path / "root", split, wanted(dataset))
        assert f"{home} holds it: let the path lead there" in str(caught.value)
    assert contents(home, dataset)


def test_imagenet_whose_validation_pictures_lie_in_one_folder_is_refused(tmp_path):
    write(tmp_path / "data", "imagenet", None)
    shutil.move(tmp_path / "data" / "val" / "n01" / "a b.JPEG", tmp_path / "data" / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(UserError, match=r"val_00000001\.JPEG: stands beside the class folders; sort the pictures"):
        READERS["imagenet"](tmp_path / "data", "test", wanted("imagenet"))


def test_sounds_of_speech_commands_are_not_lost_by_their_capitals(tmp_path):
    folder = write(tmp_path / "data", "speech-commands", lambda path, content: path.write_text(content))
    (folder / "no" / "a.wav").rename(folder / "no" / "a.WAV")
    items = READERS["speech-commands"](folder, "train", wanted("speech-commands"))
    assert [items.name(index).removeprefix(f"{folder}/") for index in range(len(items))] == ["no/a.WAV", "yes/a.wav"]
    (folder / "no" / "c.wav").rename(folder / "no" / "C.wav")  # a sound of the test, which would be trained with
    with pytest.raises(UserError, match=r"no/c\.wav: is missing, though .* lists it; .*/no/C\.wav is there, which differs"):
        READERS["speech-commands"](folder, "train", wanted("speech-commands"))
    (folder / "no" / "C.wav").rename(folder / "no" / "d.mp3")
    with pytest.raises(UserError, match=r"no/d\.mp3: is no WAV file"):
        READERS["speech-commands"](folder, "train", wanted("speech-commands"))


def test_modelnet40_is_there_in_one_form(tmp_path):
    folder = write(tmp_path / "data", "modelnet40", lambda path, content: path.write_text(content))
    (folder / "modelnet40_shape_names.txt").write_text("chair\ntable\n")
    with pytest.raises(UserError, match=r"holds shape_names\.txt and modelnet40_shape_names\.txt, the lists of both forms"):
        READERS["modelnet40"](folder, "train", wanted("modelnet40"))


@pytest.mark.parametrize(
    ("train", "test"),
    [("train_cleaned.json", "eval_cleaned.json"), ("balanced_train_data.json", "eval_cleaned.json"), ("train.json", "eval.json")],
)
def test_the_released_manifests_of_audioset_are_found(tmp_path, train, test):
    folder = write(tmp_path / "data", "audioset", lambda path, content: path.write_text(content))
    truth = contents(folder, "audioset")
    (folder / "train.json").rename(folder / train)
    (folder / "eval.json").rename(folder / test)
    assert contents(folder, "audioset") == truth


def test_labels_of_audioset_may_have_spaces_between(tmp_path):
    folder = write(tmp_path / "data", "audioset", lambda path, content: path.write_text(content))
    (folder / "train.json").write_text(json.dumps({"data": [{"wav": "train 0.wav", "labels": "/m/0, /m/1 "}]}))
    assert READERS["audioset"](folder, "train", wanted("audioset")).labels.tolist() == [[1, 1]]
    (folder / "train.json").write_text(json.dumps({"data": [{"wav": "train 0.wav", "labels": "/m/0"}] * 2}))
    with pytest.raises(UserError, match=r"train\.json: names 'train 0\.wav' twice"):
        READERS["audioset"](folder, "train", wanted("audioset"))
