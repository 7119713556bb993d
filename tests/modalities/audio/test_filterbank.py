"""Filterbanks of every recipe against an independent computation of Kaldi's."""

import numpy as np
import pytest

from m2pt.config import AudioInput
from m2pt.modalities.audio.recipes import RECIPES
from m2pt.modalities.audio.transforms.filterbank import filterbank
from tests.modalities.audio.kaldi import FLOOR, log_mel, mel_filters

RATE = 16000
RNG = np.random.default_rng(0)


def published(frames=64, mels=128):
    return AudioInput(form="published", hop_ms=10.0, frames=frames, mels=mels, patch=16)


def sounds():
    time = np.arange(RATE) / RATE
    yield "noise", 0.2 * RNG.standard_normal(RATE)
    yield "quiet noise with an offset", 1e-3 * RNG.standard_normal(RATE) + 0.25
    yield "sweep", 0.9 * np.sin(2 * np.pi * (50 + 3900 * time) * time)
    yield "clicks", np.where(np.arange(RATE) % 997 == 0, 0.5, 0.0) + 1e-4 * RNG.standard_normal(RATE)


@pytest.mark.parametrize("sound", [pytest.param(sound, id=name) for name, sound in sounds()])
def test_the_published_filterbanks_are_kaldis(sound):
    frames = filterbank(sound, published(frames=112))
    expected = log_mel(sound, 128)
    assert frames.dtype == np.float32
    assert expected.shape == (98, 128)  # whole frames in a second
    np.testing.assert_allclose(frames[:98], expected, atol=1e-3)
    assert (frames[98:] == 0).all()


@pytest.mark.parametrize("mels", [64, 80])
def test_fewer_mel_bins_are_kaldis_too(mels):
    sound = 0.2 * RNG.standard_normal(RATE)
    np.testing.assert_allclose(filterbank(sound, published(frames=96, mels=mels)), log_mel(sound, mels)[:96], atol=1e-3)


def test_a_hop_of_25_ms_has_frames_of_50():
    sound = 0.2 * RNG.standard_normal(RATE)
    frames = filterbank(sound, AudioInput(hop_ms=25.0, frames=32, mels=32, patch=8))
    np.testing.assert_allclose(frames, log_mel(sound, 32, length=800, hop=400)[:32], atol=1e-3)


def test_a_long_sound_is_cut_and_a_sound_below_one_frame_gives_one():
    sound = 0.2 * RNG.standard_normal(RATE)
    whole = filterbank(sound, published(frames=96))
    assert np.array_equal(filterbank(sound, published(frames=16)), whole[:16])
    short = filterbank(sound[:300], published(frames=16))
    assert (short[0] != 0).all()
    assert (short[1:] == 0).all()


def test_a_filter_between_two_frequencies_gives_the_floor():
    """With 128 bins there is one; Kaldi itself refuses it, torchaudio (with which AudioMAE was trained) does not."""
    empty = mel_filters(128, 512, RATE).sum(axis=1) == 0
    assert empty.sum() == 1
    frames = filterbank(0.2 * RNG.standard_normal(RATE), published())
    np.testing.assert_allclose(frames[:, empty], np.log(FLOOR), rtol=1e-6)
    assert (frames[:, ~empty] > np.log(FLOOR) + 1).all()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_filterbank_of_its_size(name):
    config = RECIPES[name].input
    frames = filterbank(0.2 * RNG.standard_normal(12 * RATE), config)
    assert frames.shape == (config.frames, config.mels)
    assert (frames != 0).all()
