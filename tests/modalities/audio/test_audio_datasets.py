"""Sounds in an AudioSet manifest: filterbanks against an independent computation, and what is said of faulty files."""

import json

import numpy as np
import pytest
import soundfile

from m2pt.config import AudioInput, UserError
from m2pt.modalities.audio.small import read

CONFIG = AudioInput()  # 16 kHz, 32 frames of 50 ms, one every 25 ms, 32 bins
RATE = 16000
SOUNDS = 0.1 * np.random.default_rng(0).standard_normal((2, 13200)) + 0.02


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wav").mkdir()
    for name, sound in zip(("one", "two"), SOUNDS, strict=True):
        soundfile.write(tmp_path / "wav" / f"{name}.wav", sound, RATE, subtype="PCM_16")
    rows = ["index,mid,display_name", '0,/m/0a,"Bark, loud"', "1,/m/0b,Meow"]
    (tmp_path / "class_labels_indices.csv").write_text("\n".join(rows) + "\n")
    manifest(tmp_path, ("wav/one.wav", "/m/0b"), ("wav/two.wav", "/m/0a"))
    return tmp_path


def manifest(folder, *entries, split="val"):
    listed = [{"wav": name, "labels": label} for name, label in entries]
    (folder / f"{split}.json").write_text(json.dumps({"data": listed}))


def log_mel(sound, frames, mels, length=800, hop=400):
    """Kaldi's filterbank, from its documentation: Hanning window, pre-emphasis 0.97, power, HTK's mel scale from 20 Hz."""
    sound = sound - sound.mean()
    size = 1 << (length - 1).bit_length()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))

    def mel(hertz):
        return 1127 * np.log(1 + hertz / 700)

    edges = np.linspace(mel(20), mel(RATE / 2), mels + 2)
    bins = mel(np.arange(size // 2) * RATE / size)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.maximum(0, np.minimum(rising, falling))
    result = np.zeros((frames, mels))
    for index in range(min(frames, 1 + (len(sound) - length) // hop)):
        frame = sound[index * hop : index * hop + length]
        frame = frame - frame.mean()
        frame = np.concatenate([frame[:1] * 0.03, frame[1:] - 0.97 * frame[:-1]]) * window
        power = np.abs(np.fft.rfft(frame, size))[: size // 2] ** 2
        result[index] = np.log(np.maximum(bank @ power, np.finfo(np.float32).eps))
    return result


def test_filterbanks_equal_an_independent_computation(folder):
    samples = read(folder, "val", CONFIG)
    assert samples.classes == ("Bark, loud", "Meow")
    assert samples.y.tolist() == [1, 0]
    assert samples.x.shape == (2, 1, 32, 32)
    for sound, frames in zip(SOUNDS, samples.x[:, 0].numpy(), strict=True):
        stored = np.rint(sound * 32768) / 32768
        np.testing.assert_allclose(frames, log_mel(stored, 32, 32), atol=5e-3)


def test_the_recipe_for_audioset_has_frames_of_25_ms_every_10(folder):
    config = AudioInput(hop_ms=10.0, frames=64, mels=64, patch=16)
    frames = read(folder, "val", config).x[0, 0].numpy()
    np.testing.assert_allclose(frames, log_mel(np.rint(SOUNDS[0] * 32768) / 32768, 64, 64, length=400, hop=160), atol=5e-3)


def test_short_sounds_end_in_zeros_and_long_ones_are_cut(folder):
    soundfile.write(folder / "wav" / "one.wav", SOUNDS[0, :4000], RATE)
    soundfile.write(folder / "wav" / "two.wav", np.tile(SOUNDS[1], 3), RATE)
    short, long = read(folder, "val", CONFIG).x[:, 0].numpy()
    assert (short[9:] == 0).all()
    assert (short[:9] != 0).all()
    assert (long != 0).all()
    soundfile.write(folder / "wav" / "one.wav", SOUNDS[0, :300], RATE)  # shorter than one frame
    assert (read(folder, "val", CONFIG).x[0, 0, 1:] == 0).all()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_another_rate_and_more_channels_sound_the_same(folder, rate):
    def tone(rate):
        return 0.3 * np.sin(2 * np.pi * 1000 * np.arange(int(0.825 * rate)) / rate)

    soundfile.write(folder / "wav" / "one.wav", tone(RATE), RATE)
    soundfile.write(folder / "wav" / "two.wav", np.stack([1.5 * tone(rate), 0.5 * tone(rate)], axis=1), rate)
    ours, resampled = read(folder, "val", CONFIG).x[:, 0, 2:-2]
    assert (ours.argmax(dim=1) == resampled.argmax(dim=1)).all()
    np.testing.assert_allclose(ours.amax(dim=1), resampled.amax(dim=1), atol=0.05)


def test_flac_is_read_too(folder):
    stored = np.rint(SOUNDS[0] * 32767).astype(np.int16)
    soundfile.write(folder / "wav" / "one.wav", stored, RATE)
    soundfile.write(folder / "wav" / "one.flac", stored, RATE)
    plain = read(folder, "val", CONFIG).x[0]
    manifest(folder, ("wav/one.flac", "/m/0b"), ("wav/two.wav", "/m/0a"))
    assert (read(folder, "val", CONFIG).x[0] == plain).all()


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_truncated_sound_is_named_wherever_it_ends(folder, suffix):
    path = folder / "wav" / f"cut.{suffix}"
    soundfile.write(path, SOUNDS[0], RATE)
    manifest(folder, (f"wav/cut.{suffix}", "/m/0b"), ("wav/two.wav", "/m/0a"))
    whole = path.read_bytes()
    for length in [*range(0, 60), *range(60, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=rf"cut\.{suffix}: (is not a complete sound file|is empty|holds no sound)"):
            read(folder, "val", CONFIG)


def test_a_sound_without_samples_or_with_no_number_is_named(folder):
    soundfile.write(folder / "wav" / "one.wav", SOUNDS[0, :0], RATE)
    with pytest.raises(UserError, match=r"one\.wav: holds no sound"):
        read(folder, "val", CONFIG)
    soundfile.write(folder / "wav" / "one.wav", np.array([0.0, np.nan, 0.0]), RATE, subtype="FLOAT")
    with pytest.raises(UserError, match=r"one\.wav: holds a sample that is not a finite number"):
        read(folder, "val", CONFIG)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("wav/one.wav", "/m/0c"), r"data\[1\] has the label '/m/0c', which class_labels_indices\.csv does not name\."),
        (("wav/one.wav", "/m/0a,/m/0b"), r"data\[1\] has the label '/m/0a,/m/0b', .* \(one label for each sound is supported\)"),
        (("wav/one.wav", 1), r"data\[1\] needs `wav` and `labels`, both texts"),
        (("/wav/one.wav", "/m/0a"), "names '/wav/one.wav', which is outside the data folder"),
        (("wav/../../one.wav", "/m/0a"), "names 'wav/../../one.wav', which is outside the data folder"),
    ],
)
def test_a_faulty_entry_is_named(folder, entry, message):
    manifest(folder, ("wav/two.wav", "/m/0a"), entry)
    with pytest.raises(UserError, match=rf"val\.json: {message}"):
        read(folder, "val", CONFIG)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("\udc80", "is not a text file in UTF-8"),
        ("[]", "is not a manifest of the form"),
        ('{"data": []}', "holds no samples"),
    ],
)
def test_a_faulty_manifest_is_named(folder, content, message):
    (folder / "val.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"val\.json: {message}"):
        read(folder, "val", CONFIG)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("index,name\n0,x\n", "is not a table of index, mid and display_name"),
        ("index,mid,display_name\nzero,/m/0a,x\n", "is not a table"),
        ("index,mid,display_name\n1,/m/0a,x\n", "counted from 0"),
        ("index,mid,display_name\n0,/m/0a,x\n0,/m/0b,y\n", "counted from 0"),
        ("index,mid,display_name\n0,/m/0a,x\n1,/m/0a,y\n", "one mid"),
        ("", "is empty"),
    ],
)
def test_a_faulty_table_of_classes_is_named(folder, rows, message):
    (folder / "class_labels_indices.csv").write_text(rows)
    with pytest.raises(UserError, match=rf"class_labels_indices\.csv: .*{message}"):
        read(folder, "val", CONFIG)


def test_what_is_missing_is_named(folder):
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        read(folder / "nowhere", "val", CONFIG)
    with pytest.raises(UserError, match=r"test\.json: is missing"):
        read(folder, "test", CONFIG)
    manifest(folder, ("wav/one.wav", "/m/0b"))
    with pytest.raises(UserError, match=r"val\.json: has no sample of class 'Bark, loud'"):
        read(folder, "val", CONFIG)
    (folder / "wav" / "one.wav").unlink()
    with pytest.raises(UserError, match=r"one\.wav: is missing, though val\.json lists it"):
        read(folder, "val", CONFIG)
