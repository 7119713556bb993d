"""What a training sample of a sound is made of: it follows from the seed alone, and its labels follow what is mixed into it."""

import pickle

import numpy as np
import pytest
import soundfile
import torch

from m2pt.config import AudioAugment, AudioInput, ImageInput, TestConfig, UserError
from m2pt.modalities.audio.items import SoundItems, inside
from m2pt.modalities.audio.recipes import RECIPES
from m2pt.modalities.shared.wanted import Wanted
from tests.modalities.audio.kaldi import log_mel

RATE = 16000
INPUT = AudioInput(form="published", hop_ms=10.0, frames=48, mels=128, patch=16, mean=-4.0, std=9.0)
FULL = AudioAugment(mixup=0.5, roll=True, level=True, noise=True, frequency_mask=24, time_mask=16)
TONES = (500, 1500, 3500, 6000)
LABELS = [[0], [1], [2], [0, 1]]


def wanted(augment=None, goal="tagging", **more):
    return Wanted(input=INPUT, augment=augment, test=TestConfig(), goal=goal, **more)


def tone(hertz):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(RATE // 2) / RATE)


@pytest.fixture
def folder(tmp_path):
    for index, hertz in enumerate(TONES):
        soundfile.write(tmp_path / f"{index}.wav", tone(hertz), RATE, subtype="FLOAT")
    return tmp_path


def items(folder, augment=None, goal="tagging", labels=None):
    if labels is None:
        labels = LABELS if goal == "tagging" else [[0], [1], [2], [0]]
    names = [f"{index}.wav" for index in range(len(labels))]
    return SoundItems(folder, folder / "list.json", names, labels, ("a", "b", "c"), wanted(augment, goal))


def test_labels_are_known_without_reading(tmp_path):
    assert items(tmp_path).labels.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    assert items(tmp_path).labels.dtype == torch.float32
    assert items(tmp_path, goal="classification").labels.tolist() == [0, 1, 2, 0]
    assert items(tmp_path, goal="classification").labels.dtype == torch.int64
    assert items(tmp_path).name(1) == str(tmp_path / "1.wav")
    assert len(items(tmp_path)) == 4


def test_a_test_sample_is_the_start_of_the_sound_with_one_view(folder):
    for index, hertz in enumerate(TONES):
        item = items(folder, FULL).test(index)
        assert item["x"].shape == (1, 1, 48, 128)
        np.testing.assert_allclose(item["x"][0, 0, :48], log_mel(tone(hertz).astype(np.float32), 128)[:48], atol=1e-3)
        assert item["y"].dtype == torch.float32
        assert item["y"].nonzero().flatten().tolist() == LABELS[index]
    y = items(folder, goal="classification").test(2)["y"]
    assert y.dtype == torch.int64
    assert y.shape == ()
    assert y == 2


def test_without_augmentation_training_samples_are_test_samples(folder):
    for goal in ("tagging", "classification"):
        split = items(folder, goal=goal)
        train, test = split.train(1, 5), split.test(1)
        assert torch.equal(train["x"], test["x"][0])
        assert torch.equal(train["y"], test["y"])


@pytest.mark.parametrize("goal", ["tagging", "classification"])
def test_equal_seeds_give_equal_samples_in_any_process(folder, goal):
    split = items(folder, FULL, goal)
    assert split.labels is not None
    assert len(pickle.dumps(split)) == len(pickle.dumps(items(folder, FULL, goal)))  # the table of labels stays here
    elsewhere = pickle.loads(pickle.dumps(split))
    state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    for seed in (0, 1, 2**62 + 3):
        first, second = split.train(0, seed), elsewhere.train(0, seed)
        assert first.keys() == second.keys() == {"x", "y"}
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert first["x"].shape == (1, 48, 128)
        assert first["x"].dtype == torch.float32
    assert not torch.equal(split.train(0, 0)["x"], split.train(0, 1)["x"])
    assert torch.equal(state[0], torch.get_rng_state())
    assert (state[1][1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert torch.equal(elsewhere.labels, split.labels)


def test_each_augmentation_changes_the_sample(folder):
    plain = items(folder).train(0, 0)["x"]
    for change in ({"roll": True}, {"level": True}, {"noise": True}, {"frequency_mask": 24}, {"time_mask": 16}, {"mixup": 0.99}):
        changed = [items(folder, AudioAugment(**change)).train(0, seed)["x"] for seed in range(8)]
        assert sum(not torch.equal(plain, x) for x in changed) >= 5, change
    assert torch.equal(plain, items(folder, AudioAugment()).train(0, 0)["x"])


def test_a_rolled_sound_starts_elsewhere(folder):
    """A click in silence moves over the whole length of the sound."""
    click = np.zeros(RATE // 2)
    click[400:560] = tone(1000)[:160]
    soundfile.write(folder / "0.wav", click, RATE, subtype="FLOAT")
    split = items(folder, AudioAugment(roll=True))
    places = [int(split.train(0, seed)["x"][0].amax(dim=1).argmax()) for seed in range(60)]
    assert min(places) < 6
    assert max(places) > 40
    assert len(set(places)) > 25


def test_the_released_roll_changes_the_level_alone(folder):
    """AudioMAE's `_roll_mag_aug`: the waveform is (1, S), so that `randint(len(waveform))` is 0 and nothing moves."""
    released = RECIPES["audiomae-audioset-20k"].released["finetune.augment.roll"]
    plain = items(folder).train(0, 0)["x"][0].double()
    loud = plain > -10  # far above the floor of the logarithm
    for seed in range(10):
        changed = items(folder, AudioAugment(roll=released, level=True)).train(0, seed)["x"][0].double()
        drawn = (changed - plain)[loud].median() / 2
        assert 0.5 <= float(drawn.exp()) <= 1.5
        torch.testing.assert_close((changed - plain)[loud], (2 * drawn).expand_as(plain)[loud], atol=2e-3, rtol=0)


def test_mixed_labels_are_the_weights_of_the_mixed_sounds(folder):
    """Tones do not overlap, so the energy of each says with which weight it was mixed."""
    split = items(folder, AudioAugment(mixup=0.999), labels=[[0], [1], [2]])
    alone = [split.test(index)["x"][0, 0] for index in range(3)]
    bins = [int(bank.mean(dim=0).argmax()) for bank in alone]
    partners, weights = set(), []
    for seed in range(60):
        item = split.train(0, seed)
        assert item["y"].sum() == pytest.approx(1.0, abs=1e-6)
        if item["y"][0] == 1:  # mixed with itself
            continue
        assert (item["y"] > 0).sum() == 2
        for label, weight in enumerate(item["y"].tolist()):
            if weight:
                difference = (item["x"][0, :, bins[label]] - alone[label][:, bins[label]]).mean()
                assert float(difference) == pytest.approx(2 * np.log(weight), abs=0.02)
        partners |= set(item["y"].nonzero().flatten().tolist())
        weights.append(float(item["y"][0]))
    assert partners == {0, 1, 2}
    assert 0.2 < min(weights) < 0.42 < 0.58 < max(weights) < 0.8  # Beta(10, 10)


def test_a_label_that_both_sounds_have_stays_whole(folder):
    split = items(folder, AudioAugment(mixup=0.999)).among([3])
    for seed in range(5):
        y = split.train(0, seed)["y"]
        assert y[0] == pytest.approx(1.0)
        assert 0 < y[1] < 1
        assert y[2] == 0


def test_mixtures_come_as_often_as_asked_and_labels_can_be_stacked(folder):
    split = items(folder, AudioAugment(mixup=0.5), "classification", labels=[[0], [1], [2]]).among([1, 2])
    labels = torch.stack([split.train(0, seed)["y"] for seed in range(200)])
    assert labels.dtype == torch.float32
    assert labels.shape == (200, 3)
    assert 70 < int((labels[:, 0] < 1).sum()) < 130


def test_only_sounds_that_are_kept_are_mixed_into_others(folder):
    whole = items(folder, AudioAugment(mixup=0.999), labels=[[0], [1], [2]])
    some = whole.among(torch.tensor([0, 2]))
    assert all(some.train(0, seed)["y"][1] == 0 for seed in range(40))
    assert any(whole.train(0, seed)["y"][1] > 0 for seed in range(40))
    (folder / "1.wav").unlink()
    assert len(some) == 3
    for seed in range(40):
        some.train(0, seed)


def test_a_faulty_sound_is_named(folder):
    split = items(folder, FULL)
    soundfile.write(folder / "0.wav", 1e300 * tone(500), RATE, subtype="DOUBLE")
    (folder / "1.wav").unlink()
    (folder / "2.wav").write_bytes((folder / "3.wav").read_bytes()[:-1])
    soundfile.write(folder / "3.wav", np.array([0.0, np.inf]), RATE, subtype="FLOAT")
    for read in (lambda index: split.test(index), lambda index: split.among([index]).train(index, 0)):
        for index, fault in enumerate(
            ("so loud", "is missing, though list.json", "not a complete sound file", "not a finite number")
        ):
            with pytest.raises(UserError, match=rf"/{index}\.wav: .*{fault}"):
                read(index)


def test_what_does_not_fit_to_sounds_is_refused(tmp_path):
    def opened(**changed):
        values = {"input": INPUT, "augment": None, "test": TestConfig(), "goal": "tagging"} | changed
        return SoundItems(tmp_path, tmp_path, ["a.wav"], [[0]], ["a"], Wanted(**values))

    for changed, message in (
        ({"input": ImageInput()}, "choose a recipe for audio"),
        ({"goal": "part_segmentation"}, "not for part_segmentation"),
        ({"test": TestConfig(clips=5)}, "one view"),
    ):
        with pytest.raises(UserError, match=message):
            opened(**changed)


def test_paths_lead_into_the_folder(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    link = (tmp_path / "link").relative_to(tmp_path)
    names = ["a/b.wav", f"{tmp_path}/link/a/b.wav", f"{tmp_path}/real/a/b.wav"]
    assert inside(link, names, link) == ["a/b.wav"] * 3
    for name in ("/a/b.wav", f"{tmp_path}/link2/b.wav", "../b.wav", f"{tmp_path}/link/../b.wav"):
        with pytest.raises(UserError, match="which is outside the data folder"):
            inside(link, [name], link)
