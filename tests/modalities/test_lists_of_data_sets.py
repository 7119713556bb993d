"""Published data sets in folders as people have them: lists from other systems, archives unpacked a level too deep."""

import json
import shutil

import pytest

from m2pt.config import UserError
from tests.modalities.small_sets import READERS, wanted, write


def contents(folder, dataset):
    """What a reader makes of a folder: classes, names of files, labels and samples."""
    splits = []
    for split in ("train", "test"):
        items = READERS[dataset](folder, split, wanted(dataset))
        names = [items.name(index).removeprefix(str(folder)) for index in range(len(items))]
        samples = [items.test(index)["x"].numpy().tobytes() for index in range(len(items))]
        splits.append((items.classes, names, None if items.labels is None else items.labels.tolist(), samples))
    return splits


DATA_SETS = ("audioset", "esc50", "speech-commands", "imagenet", "ade20k", "coco", "modelnet40", "kinetics")


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
        ("coco", "coco2017"),
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
    with pytest.raises(UserError, match=r"val_00000001\.JPEG: is next to the class folders; sort the pictures"):
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
    with pytest.raises(UserError, match=r"no/d\.mp3: is not a WAV file"):
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
