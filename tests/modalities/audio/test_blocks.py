"""Sounds are read in blocks, so that memory is taken for what a file holds and not for what its header promises."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from m2pt.config import UserError
from m2pt.modalities.audio.decoding import sounds
from m2pt.modalities.audio.decoding.sounds import read_waveform

PROMISES = Path(__file__).parents[2] / "fuzz/found/sound/7cdf15c2"  # 831 bytes of FLAC that promise 268 million samples


def test_a_header_that_promises_more_than_memory_holds_takes_a_block_of_it():
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="is not a complete sound file"):
            read_waveform(PROMISES, 16000, "mean")
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


def test_a_sound_of_several_blocks_is_read_whole(tmp_path, monkeypatch):
    values = np.random.default_rng(0).uniform(-0.9, 0.9, (1000, 2))
    soundfile.write(tmp_path / "a.flac", values, 16000, subtype="PCM_24")
    whole = read_waveform(tmp_path / "a.flac", 16000, "first")
    monkeypatch.setattr(sounds, "BLOCK", 300)
    assert np.array_equal(read_waveform(tmp_path / "a.flac", 16000, "first"), whole)
    assert np.abs(whole - values[:, 0]).max() < 2**-22
