"""The embedded data: the same bytes everywhere, splits with nothing in common, no shortcut to the classes."""

import hashlib
import json
import subprocess
import sys
from importlib import import_module
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from m2pt.config import MODALITIES, AudioInput, EmbeddedData, ImageInput, InputsConfig, PointInput, UserError, VideoInput
from m2pt.data.fingerprints import fingerprint
from m2pt.modalities.embedded import digits
from m2pt.modalities.shared.listed import SPLITS
from m2pt.modalities.shared.samples import Samples

SIZES = EmbeddedData(pretrain=20, train=20, val=10, test=10)
INPUTS = InputsConfig(image=ImageInput(), audio=AudioInput(), point=PointInput(), video=VideoInput())

# VERSION of each embedded.py and the fingerprint of what it makes at SIZES: who changes a file must raise VERSION.
GOLDEN = {
    "image": (1, "1ce6700bad02cd54"),
    "audio": (1, "9d1c4fe14f89c425"),
    "point": (1, "8a5256e6f07b5383"),
    "video": (1, "b918d4a970c27f74"),
}


def generator(modality: str):
    return import_module(f"m2pt.modalities.{modality}.embedded")


def read(root: Path, modality: str, split: str) -> Samples:
    return import_module(f"m2pt.modalities.{modality}.small").read(root / modality, split, getattr(INPUTS, modality))


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_same_bytes_from_a_fresh_process_and_from_a_used_one(modality, embedded_root, tmp_path):
    first = fingerprint(embedded_root / modality, tmp_path / "cache")
    generator(modality).write(tmp_path / "again", SIZES)
    command = (
        "import sys, pathlib; from m2pt.config import EmbeddedData;"
        f"from m2pt.modalities.{modality}.embedded import write;"
        "write(pathlib.Path(sys.argv[1]), EmbeddedData(pretrain=20, train=20, val=10, test=10))"
    )
    subprocess.run([sys.executable, "-c", command, str(tmp_path / "fresh")], check=True)
    assert fingerprint(tmp_path / "again", tmp_path / "cache") == first
    assert fingerprint(tmp_path / "fresh", tmp_path / "cache") == first


@pytest.mark.parametrize("modality", MODALITIES)
def test_other_files_have_another_version(modality, embedded_root, tmp_path):
    made = (generator(modality).VERSION, fingerprint(embedded_root / modality, tmp_path)[:16])
    assert made == GOLDEN[modality], "the generator makes other files than before: raise its VERSION and enter both here"


@pytest.mark.parametrize("modality", MODALITIES)
def test_another_seed_gives_other_samples(modality, embedded_root, tmp_path):
    generator(modality).write(tmp_path / modality, SIZES.model_copy(update={"seed": 1}))
    ours, theirs = read(embedded_root, modality, "train"), read(tmp_path, modality, "train")
    assert not set(hashes(ours)) & set(hashes(theirs))


@pytest.mark.parametrize("modality", MODALITIES)
def test_classes_are_balanced_and_the_same_in_every_split(modality, embedded_root):
    for split in SPLITS:
        samples = read(embedded_root, modality, split)
        assert len(samples.classes) == 10
        assert samples.classes == read(embedded_root, modality, "train").classes
        assert np.bincount(samples.y.numpy(), minlength=10).tolist() == [getattr(SIZES, split) // 10] * 10


@pytest.mark.parametrize("modality", MODALITIES)
def test_no_sample_stands_in_two_splits(modality, embedded_root):
    everything = [digest for split in SPLITS for digest in hashes(read(embedded_root, modality, split))]
    assert len(everything) == len(set(everything)) == 60


def hashes(samples: Samples) -> list[str]:
    return [hashlib.sha256(sample.numpy().tobytes()).hexdigest() for sample in samples.x]


def test_no_base_digit_is_shared_between_test_validation_and_training_or_between_image_and_video():
    shares = {
        (use, split): {picture.tobytes() for pictures in digits.base_digits(0, use, split) for picture in pictures}
        for use in ("image", "video")
        for split in ("train", "val", "test")
    }
    assert all(len(pictures) == 10 * digits.SHARES[use][split] for (use, split), pictures in shares.items())
    for one, other in combinations(shares, 2):
        assert not shares[one] & shares[other], (one, other)
    pretrain = {picture.tobytes() for pictures in digits.base_digits(0, "image", "pretrain") for picture in pictures}
    assert pretrain == shares["image", "train"]


@pytest.mark.parametrize("seed", range(5))
def test_no_voice_or_family_of_voices_is_shared_between_test_validation_and_training(seed):
    import espeakng_loader

    from m2pt.modalities.audio import embedded
    from m2pt.modalities.embedded import speech

    names = speech.variants(Path(espeakng_loader.get_data_path()))
    shares = embedded._voice_shares(names, seed)
    assert sorted(name for voices in shares.values() for name in voices) == names
    families = {share: {name.rstrip("0123456789").lower() for name in voices} for share, voices in shares.items()}
    for one, other in combinations(families, 2):
        assert not families[one] & families[other]
    assert min(len(voices) for voices in shares.values()) >= 4


def test_speech_does_not_depend_on_the_clock_or_on_what_was_spoken_before():
    from m2pt.modalities.embedded.speech import Utterance, speak

    words = [Utterance("seven", "en-us+f2", 160, 50), Utterance("three", "en+whisper", 200, 40)]
    first, second = speak(words), speak(words)
    assert all(np.array_equal(one, other) and len(one) > 3000 for one, other in zip(first, second, strict=True))
    with pytest.raises(RuntimeError, match="cannot speak 'one' with voice 'nobody'"):
        speak([Utterance("one", "nobody", 160, 50)])


@pytest.mark.parametrize(("modality", "most"), [("image", 0.25), ("video", 0.25)])
def test_brightness_and_contrast_do_not_tell_the_class(modality, most, tmp_path):
    generator(modality).write(tmp_path / modality, SIZES.model_copy(update={"train": 600, "test": 200}))
    train, test = read(tmp_path, modality, "train"), read(tmp_path, modality, "test")

    def feature(samples: Samples):
        flat = samples.x.flatten(1)
        return np.stack([flat.mean(dim=1), flat.std(dim=1)], axis=1)

    score = KNeighborsClassifier(25).fit(feature(train), train.y).score(feature(test), test.y)
    assert score < most
    if modality == "video":
        middle = slice(3, 5)  # the motion is gone there, only which digit moves is left
        classifier = KNeighborsClassifier(5).fit(train.x[:, 0, middle].flatten(1), train.y)
        assert classifier.score(test.x[:, 0, middle].flatten(1), test.y) < most


def test_all_sounds_and_videos_have_the_same_length(embedded_root):
    sizes = {path.stat().st_size for path in (embedded_root / "audio" / "wav").rglob("*.wav")}
    assert sizes == {44 + 2 * 13200}
    manifest = json.loads((embedded_root / "audio" / "train.json").read_text())
    assert len(manifest["data"]) == 20


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_size_that_cannot_hold_every_class_is_refused(modality, tmp_path):
    with pytest.raises(UserError, match=r"^data\.embedded\.val: 9 is too few for 10 classes"):
        generator(modality).write(tmp_path / modality, SIZES.model_copy(update={"val": 9}))


@pytest.mark.parametrize(
    ("modality", "module", "package"),
    [
        ("image", "sklearn.datasets", "scikit-learn"),
        ("audio", "espeakng_loader", "espeakng-loader"),
        ("point", "trimesh.creation", "trimesh"),
        ("video", "sklearn.datasets", "scikit-learn"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(modality, module, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf"^{package}.* pip install 'm2pt\[embedded\]'"):
        generator(modality).write(tmp_path / modality, SIZES)
