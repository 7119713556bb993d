"""AudioSet, ESC-50 and Speech Commands in the files that they are published in."""

import json

import numpy as np
import pytest
import soundfile

from m2pt.config import AudioAugment, AudioInput, TestConfig, UserError
from m2pt.modalities.registry import dataset as declared
from m2pt.modalities.shared.wanted import Wanted

RATE = 16000
INPUT = AudioInput(form="published", hop_ms=10.0, frames=16, mels=128, patch=16)


def wanted(goal="classification", variant=None, augment=None):
    return Wanted(input=INPUT, augment=augment, test=TestConfig(), goal=goal, variant=variant)


def write(path, hertz=440, rate=RATE, seconds=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    soundfile.write(path, sound, rate, subtype="PCM_16")


def read_all(items):
    """Every sample can be tested and trained with."""
    for index in range(len(items)):
        assert items.test(index)["x"].shape == (1, 1, 16, 128)
        assert items.train(index, index)["x"].shape == (1, 16, 128)
    return items


# AudioSet


@pytest.fixture
def audioset(tmp_path):
    rows = ["index,mid,display_name", '0,/m/0a,"Bark, loud"', "1,/m/0b,Meow", "2,/t/c,Rain"]
    (tmp_path / "class_labels_indices.csv").write_text("\n".join(rows) + "\n")
    for name in ("one", "two", "three"):
        write(tmp_path / "wav" / f"{name}.wav")
    manifest(tmp_path, "train.json", ("wav/one.wav", "/m/0b"), ("wav/two.wav", "/t/c,/m/0a"))
    manifest(tmp_path, "eval.json", (f"{tmp_path}/wav/three.wav", "/m/0a"))
    return tmp_path


def manifest(folder, name, *entries):
    (folder / name).write_text(json.dumps({"data": [{"wav": wav, "labels": labels} for wav, labels in entries]}))


def open_audioset(folder, split="train", goal="tagging", variant=None):
    return declared("audioset").open(folder, split, wanted(goal, variant, AudioAugment(mixup=0.5, roll=True)))


def test_audioset_for_tagging(audioset):
    train = read_all(open_audioset(audioset))
    assert train.classes == ("Bark, loud", "Meow", "Rain")
    assert train.labels.tolist() == [[0, 1, 0], [1, 0, 1]]
    assert train.name(1) == str(audioset / "wav" / "two.wav")
    test = read_all(open_audioset(audioset, "test"))
    assert test.labels.tolist() == [[1, 0, 0]]
    assert test.name(0) == str(audioset / "wav" / "three.wav")
    assert open_audioset(audioset, "val") is None
    manifest(audioset, "val.json", ("wav/one.wav", "/t/c"))
    assert read_all(open_audioset(audioset, "val")).labels.tolist() == [[0, 0, 1]]


def test_audioset_for_classification_takes_one_label(audioset):
    with pytest.raises(UserError, match=r"train\.json: data\[1\] has 2 labels; classification takes one"):
        open_audioset(audioset, goal="classification")
    test = read_all(open_audioset(audioset, "test", "classification"))
    assert test.labels.tolist() == [0]


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        (None, "train_data.json"),
        (None, "train_cleaned.json"),
        (None, "balanced_train_data.json"),
        ("balanced", "balanced_train_data.json"),
        ("balanced", "train.json"),
        ("unbalanced", "unbalanced_train_data.json"),
        ("full", "whole_train_data.json"),
        ("full", "train_all.json"),
        ("train_cleaned.json", "train_cleaned.json"),
    ],
)
def test_variants_of_audioset_are_published_names(audioset, variant, name):
    (audioset / "train.json").unlink()
    with pytest.raises(UserError, match=r"is missing .*; this split is listed there"):
        open_audioset(audioset, variant=variant)
    manifest(audioset, name, ("wav/three.wav", "/m/0a"))
    assert open_audioset(audioset, variant=variant).name(0).endswith("three.wav")


def test_manifests_of_audioset_must_not_compete(audioset):
    manifest(audioset, "balanced_train_data.json", ("wav/three.wav", "/m/0a"))
    for variant in ("balanced", None):
        with pytest.raises(UserError, match=r"holds (balanced_train_data|train)\.json and .*, which may both list this split"):
            open_audioset(audioset, variant=variant)
    assert len(open_audioset(audioset, variant="train.json")) == 2
    assert len(open_audioset(audioset, variant="balanced_train_data.json")) == 1
    for variant in ("ballanced", "../x.json"):
        with pytest.raises(UserError, match=r"audioset has no variant .* known: balanced, unbalanced, full"):
            open_audioset(audioset, variant=variant)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("wav/one.wav", "/m/0a,/m/0c"), r"data\[1\] has the label '/m/0c', which class_labels_indices\.csv does not name"),
        (("wav/one.wav", ""), r"data\[1\] has the label ''"),
        (("wav/one.wav", None), r"data\[1\] needs `wav` and `labels`, both texts"),
        (("/elsewhere/one.wav", "/m/0a"), "names '/elsewhere/one.wav', which is outside the data folder"),
        (("wav/../../one.wav", "/m/0a"), "names 'wav/../../one.wav', which is outside the data folder"),
    ],
)
def test_a_faulty_entry_of_audioset_is_named(audioset, entry, message):
    manifest(audioset, "train.json", ("wav/one.wav", "/m/0b"), entry)
    with pytest.raises(UserError, match=rf"train\.json: {message}"):
        open_audioset(audioset)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "not valid JSON"), ('{"data": 1}', "not a manifest"), ('{"data": []}', "lists no sounds")]
)
def test_a_faulty_manifest_of_audioset_is_named(audioset, content, message):
    (audioset / "train.json").write_text(content)
    with pytest.raises(UserError, match=rf"train\.json: .*{message}"):
        open_audioset(audioset)


def test_what_is_missing_of_audioset_is_named(audioset):
    (audioset / "wav" / "two.wav").unlink()
    items = open_audioset(audioset)  # two million files are not looked for in advance
    with pytest.raises(UserError, match=r"two\.wav: is missing, though train\.json lists it"):
        items.test(1)
    (audioset / "class_labels_indices.csv").unlink()
    with pytest.raises(UserError, match=r"class_labels_indices\.csv: cannot be read"):
        open_audioset(audioset)
    with pytest.raises(UserError, match="the data folder is missing"):
        open_audioset(audioset / "nowhere")


# ESC-50

HEADER = "filename,fold,target,category,esc10,src_file,take\n"


@pytest.fixture
def esc50(tmp_path):
    rows = []
    for fold in range(1, 6):
        for target, category in enumerate(("dog", "chirping_birds")):
            name = f"{fold}-10032-A-{target}.wav"
            write(tmp_path / "audio" / name, 400 + 300 * target, rate=44100)
            rows.append(f"{name},{fold},{target},{category},True,10032,A")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(HEADER + "\n".join(reversed(rows)) + "\n")
    return tmp_path


def open_esc50(folder, split="train", variant=None):
    return declared("esc50").open(folder, split, wanted(variant=variant, augment=AudioAugment(roll=True)))


@pytest.mark.parametrize(("variant", "fold"), [(None, 1), ("fold-1", 1), ("fold-3", 3), ("fold-5", 5)])
def test_esc50_tests_on_one_fold_and_trains_on_the_others(esc50, variant, fold):
    train, test = read_all(open_esc50(esc50, "train", variant)), read_all(open_esc50(esc50, "test", variant))
    assert train.classes == test.classes == ("dog", "chirping_birds")
    for items, folds in ((test, {fold}), (train, {1, 2, 3, 4, 5} - {fold})):
        names = [items.name(index).removeprefix(f"{esc50}/audio/") for index in range(len(items))]
        assert {int(name[0]) for name in names} == folds
        assert [int(name[-5]) for name in names] == items.labels.tolist()
        assert len(names) == len(set(names)) == 2 * len(folds)
    assert open_esc50(esc50, "val", variant) is None


def test_a_fold_that_esc50_does_not_have_is_refused(esc50):
    with pytest.raises(UserError, match="esc50 has no variant 'fold-6'; known: fold-1, fold-2"):
        open_esc50(esc50, variant="fold-6")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("filename,fold\na.wav,1\n", "line 2 has no filename, fold, target and category"),
        (HEADER + "a.wav,1,zero,dog,,,\n", "line 2 has no filename"),
        (HEADER + "a.wav,1,0,dog,,,\nb.wav,7,1,cat,,,\n", "line 3 is in fold 7"),
        (HEADER + "a.wav,1,1,dog,,,\nb.wav,2,2,cat,,,\n", "must number its categories"),
        (HEADER + "a.wav,1,0,dog,,,\nb.wav,2,1,dog,,,\n", "must number its categories"),
        (HEADER + "a.wav,1,0,dog,,,\nb.wav,2,0,cat,,,\n", "line 2 calls target 0 'dog', another line 'cat'"),
        (HEADER + "a.wav,2,0,dog,,,\n", "lists no sounds for the split test of fold 1"),
        (HEADER + "../../a.wav,1,0,dog,,,\n", "which is outside the data folder"),
    ],
)
def test_a_faulty_table_of_esc50_is_named(esc50, content, message):
    (esc50 / "meta" / "esc50.csv").write_text(content)
    with pytest.raises(UserError, match=rf"esc50\.csv: .*{message}"):
        open_esc50(esc50, "test")


def test_a_faulty_sound_of_esc50_is_named(esc50):
    path = esc50 / "audio" / "1-10032-A-0.wav"
    path.write_bytes(path.read_bytes()[:1000])
    items = open_esc50(esc50, "test")
    with pytest.raises(UserError, match=r"1-10032-A-0\.wav: is not a complete sound file"):
        [items.test(index) for index in range(len(items))]


# Speech Commands


@pytest.fixture
def commands(tmp_path):
    for number, word in enumerate(("yes", "no", "bed")):
        for speaker in ("aa", "bb", "cc", "dd"):
            write(tmp_path / word / f"{speaker}_nohash_0.wav", 300 * (number + 1))
    write(tmp_path / "_background_noise_" / "pink_noise.wav")
    (tmp_path / "_background_noise_" / "README.md").write_text("noise")
    (tmp_path / "yes" / "._aa_nohash_0.wav").write_bytes(b"junk of an archiver")
    (tmp_path / "LICENSE").write_text("licence")
    (tmp_path / "validation_list.txt").write_text("yes/bb_nohash_0.wav\nno/bb_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("bed/cc_nohash_0.wav\nno/cc_nohash_0.wav\nyes/cc_nohash_0.wav\n")
    return tmp_path


def open_commands(folder, split="train", variant=None):
    return declared("speech-commands").open(folder, split, wanted(variant=variant, augment=AudioAugment(mixup=0.5, noise=True)))


def test_speech_commands_are_split_by_their_lists(commands):
    splits = {split: read_all(open_commands(commands, split)) for split in ("train", "val", "test")}
    names_of = {}
    for split, items in splits.items():
        assert items.classes == ("bed", "no", "yes")
        names = [items.name(index).removeprefix(f"{commands}/") for index in range(len(items))]
        assert [items.classes[label] for label in items.labels.tolist()] == [name.split("/")[0] for name in names]
        names_of[split] = names
    assert names_of["val"] == ["yes/bb_nohash_0.wav", "no/bb_nohash_0.wav"]
    assert names_of["test"] == ["bed/cc_nohash_0.wav", "no/cc_nohash_0.wav", "yes/cc_nohash_0.wav"]
    every = {f"{word}/{speaker}_nohash_0.wav" for word in ("yes", "no", "bed") for speaker in ("aa", "bb", "cc", "dd")}
    assert names_of["train"] == sorted(every - {*names_of["val"], *names_of["test"]})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("maybe/aa_nohash_0.wav", r"validation_list\.txt: line 2 \('maybe/aa_nohash_0\.wav'\)"),
        ("_background_noise_/pink_noise.wav", r"validation_list\.txt: line 2"),
        ("yes/../no/aa_nohash_0.wav", r"validation_list\.txt: line 2"),
        ("yes", r"validation_list\.txt: line 2"),
        ("yes/cc_nohash_0.wav", r"'yes/cc_nohash_0\.wav' is in both validation_list\.txt and testing_list\.txt"),
    ],
)
def test_a_faulty_list_of_speech_commands_is_named(commands, line, message):
    (commands / "validation_list.txt").write_text(f"yes/bb_nohash_0.wav\n{line}\n")
    for split in ("train", "val"):
        with pytest.raises(UserError, match=message):
            open_commands(commands, split)


def test_what_is_missing_of_speech_commands_is_named(commands):
    (commands / "no" / "bb_nohash_0.wav").unlink()
    with pytest.raises(UserError, match=r"no/bb_nohash_0\.wav: is missing, though validation_list\.txt lists it"):
        open_commands(commands, "val").test(1)
    with pytest.raises(UserError, match="speech-commands has no variants"):
        open_commands(commands, variant="v1")
    (commands / "testing_list.txt").unlink()
    for split in ("train", "test"):
        with pytest.raises(UserError, match=r"testing_list\.txt: is missing; the data set needs it\."):
            open_commands(commands, split)
    (commands / "empty").mkdir()
    for name in ("validation_list.txt", "testing_list.txt"):
        (commands / "empty" / name).write_text("")
    with pytest.raises(UserError, match="holds no folders of words"):
        open_commands(commands / "empty")


def test_a_folder_without_sounds_is_no_word_of_speech_commands(commands):
    """It would shift the numbers of the words behind it, and no fingerprint of the data sees a folder that is empty."""
    (commands / "left over").mkdir()
    (commands / "left over" / ".DS_Store").write_bytes(b"notes")
    for split in ("train", "val", "test"):
        with pytest.raises(UserError, match="left over: holds no sounds, and each folder is a class"):
            open_commands(commands, split)
