"""What is read of a sound file: every sample of it, in the recipe's channel, and nothing of a file that ends early."""

import io
import struct
import wave

import av
import numpy as np
import pytest
import soundfile

from m2pt.config import AudioAugment, AudioInput, TestConfig, UserError
from m2pt.modalities.audio.datasets.esc50 import open_esc50
from m2pt.modalities.audio.decoding.sounds import read_waveform
from m2pt.modalities.audio.recipes import RECIPES
from m2pt.modalities.shared.wanted import Wanted

RATE = 16000
RNG = np.random.default_rng(0)
SOUND = 0.3 * RNG.standard_normal(20000)


def encoded(sound, kind, subtype, rate=RATE):
    stream = io.BytesIO()
    soundfile.write(stream, sound, rate, format=kind, subtype=subtype)
    return stream.getvalue()


def read(tmp_path, content, name="a.wav", stereo="mean"):
    (tmp_path / name).write_bytes(content)
    return read_waveform(tmp_path / name, RATE, stereo)


def refused(tmp_path, content, name="a.wav"):
    with pytest.raises(UserError, match=f"{name}: is not a complete sound file"):
        read(tmp_path, content, name)


# MP3


def write_mp3(path, sound, *, header, variable, rate=RATE):
    layout = "stereo" if sound.ndim == 2 else "mono"
    with av.open(str(path), "w", format="mp3", options={"write_xing": str(int(header)), "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout=layout)
        if variable:
            stream.codec_context.global_quality, stream.codec_context.flags = 0, stream.codec_context.flags | 2
        else:
            stream.bit_rate = 64000
        planes = np.ascontiguousarray(np.atleast_2d(sound.T), dtype=np.float32)
        for start in range(0, planes.shape[1], 1152):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes[:, start : start + 1152]), "fltp", layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames_of(content):
    """The frames of an MP3 file (layer III, 16 or 44.1 kHz) without tags, found by their headers as ISO/IEC 11172-3 has them."""
    newer = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    older = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    place, frames = 0, []
    while place < len(content):
        assert content[place] == 0xFF
        first = content[place + 1] & 8
        bits = (older if first else newer)[content[place + 2] >> 4] * 1000
        length = (144 * bits // 44100 if first else 72 * bits // 16000) + (content[place + 2] >> 1 & 1)
        frames.append(content[place : place + length])
        place += length
    return frames


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("variable", [True, False])
def test_an_mp3_without_a_header_is_read_to_its_end(tmp_path, variable, channels, rate):
    """Loud, then quiet: whoever guesses the length from the first frame reads a fifth. libsndfile reads the one with a header."""
    loud = (np.arange(10 * rate) < rate)[:, None]
    sound = (np.where(loud, 0.2, 0.002) * np.random.default_rng(1).standard_normal((10 * rate, channels))).squeeze()
    bare = write_mp3(tmp_path / "bare.mp3", sound, header=False, variable=variable, rate=rate)
    told = write_mp3(tmp_path / "told.mp3", sound, header=True, variable=variable, rate=rate)
    frames = frames_of(bare.read_bytes())
    assert frames_of(told.read_bytes())[1:] == frames
    truth = soundfile.read(told, always_2d=True)[0]
    if channels == 2:
        assert len(np.unique(read_waveform(bare, rate, "first") == read_waveform(bare, rate, "mean"))) > 1
    for stereo, expected in (("first", truth[:, 0]), ("mean", truth.mean(axis=1))):
        whole = read_waveform(bare, rate, stereo)
        assert len(whole) == len(frames) * (1152 if rate == 44100 else 576)
        delay = next(shift for shift in range(3000) if np.allclose(whole[shift : shift + 3000], expected[:3000], atol=1e-3))
        np.testing.assert_allclose(whole[delay : delay + len(sound)], expected, atol=1e-4)
        with_header = read_waveform(told, rate, stereo)
        assert len(with_header) == len(sound)
        np.testing.assert_allclose(with_header, expected, atol=1e-4)


@pytest.mark.parametrize("header", [True, False])
def test_a_cut_mp3_is_refused(tmp_path, header):
    content = write_mp3(tmp_path / "a.mp3", SOUND, header=header, variable=True).read_bytes()
    frames = frames_of(content)
    assert len(read(tmp_path, content, "b.mp3")) >= len(SOUND)
    for tagged in (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + content, content + b"TAG" + bytes(125)):
        np.testing.assert_array_equal(read(tmp_path, tagged, "b.mp3"), read(tmp_path, content, "b.mp3"))
    for length in (len(content) - 1, len(content) - len(frames[-1]) + 5, len(b"".join(frames[:9])) + 20):
        refused(tmp_path, content[:length], "b.mp3")
    if header:  # between two frames
        for number in (len(frames) - 1, len(frames) // 2):
            refused(tmp_path, b"".join(frames[:number]), "b.mp3")


# WAV


def stream_sizes(content, riff, data):
    """The same file with other sizes in its header."""
    place = content.index(b"data") + 4
    return content[:4] + struct.pack("<I", riff) + content[8:place] + struct.pack("<I", data) + content[place + 4 :]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_that_was_written_as_a_stream_is_read_to_its_end(tmp_path, size):
    """FFmpeg into a pipe leaves 0xFFFFFFFF, SoX 0x7FFFF000 and others 0 where the size belongs."""
    whole = encoded(SOUND, "WAV", "PCM_16")
    streamed = stream_sizes(whole, min(size + 36, 0xFFFFFFFF) if size else 0, size)
    np.testing.assert_array_equal(read(tmp_path, streamed), read(tmp_path, whole))
    refused(tmp_path, streamed[:-1])  # within a sample


def test_a_wav_that_is_shorter_than_its_sound_is_refused(tmp_path):
    whole = encoded(SOUND, "WAV", "PCM_16")
    riff, data = len(whole) - 8, 2 * len(SOUND)
    np.testing.assert_array_equal(read(tmp_path, stream_sizes(whole, riff, data)), read(tmp_path, whole))
    for content in (
        whole[:-1],
        whole[: len(whole) // 2],
        stream_sizes(whole[: len(whole) // 2], len(whole) // 2 - 8, data),  # the file's size is right, that of the sound is not
        stream_sizes(whole, riff, data + 2),
        encoded(SOUND, "RF64", "PCM_16")[:-100],
        encoded(SOUND, "WAVEX", "PCM_24")[:-100],
        whole[:30],
    ):
        refused(tmp_path, content)


def test_chunks_around_the_sound_do_not_matter(tmp_path):
    """A list of notes before it, one after it, and one byte to even the size out, which some writers leave away."""
    whole = encoded(SOUND[:999], "WAV", "PCM_U8")
    place = whole.index(b"data")
    notes = b"LIST" + struct.pack("<I", 5) + b"data!" + b"\0"
    assert len(whole) == place + 8 + 1000
    for content in (whole[:-1], whole[:place] + notes + whole[place:], whole + notes, whole + notes[:-3]):
        np.testing.assert_array_equal(read(tmp_path, content), read(tmp_path, whole))


@pytest.mark.parametrize(
    ("kind", "subtype", "full_scale"),
    [
        ("WAV", "PCM_16", 2**15),
        ("WAV", "PCM_24", 2**23),
        ("WAV", "PCM_32", 2**31),
        ("RF64", "PCM_16", 2**15),
        ("FLAC", "PCM_24", 2**23),
    ],
)
def test_integers_are_divided_by_their_full_scale(tmp_path, kind, subtype, full_scale):
    values = np.array([0, 1, -1, full_scale - 1, -full_scale, full_scale // 3] * 40)
    integers = values * (2**31 // full_scale)
    content = encoded(integers.astype(np.int32), kind, subtype)
    np.testing.assert_array_equal(read(tmp_path, content), values / full_scale)


def test_eight_bits_have_their_middle_at_128_and_floats_are_taken_as_they_are(tmp_path):
    with wave.open(str(tmp_path / "u8.wav"), "wb") as file:
        file.setparams((1, 1, RATE, 0, "NONE", ""))
        file.writeframes(bytes(range(256)))
    np.testing.assert_array_equal(read_waveform(tmp_path / "u8.wav", RATE, "mean"), (np.arange(256) - 128) / 128)
    loud = np.array([0.5, -3.25, 2.0, 0.0])
    for subtype in ("FLOAT", "DOUBLE"):
        np.testing.assert_array_equal(read(tmp_path, encoded(loud, "WAV", subtype)), loud)


# Others


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_a_cut_flac_or_ogg_is_refused(tmp_path, kind, subtype):
    whole = encoded(SOUND, kind, subtype)
    np.testing.assert_array_equal(read(tmp_path, whole), soundfile.read(io.BytesIO(whole))[0])
    for share in (0.3, 0.5, 0.95, 0.999):
        refused(tmp_path, whole[: int(len(whole) * share)])
    if kind == "OGG":  # between two pages
        refused(tmp_path, whole[: whole.rindex(b"OggS")])


def test_an_ogg_file_of_several_streams_is_refused(tmp_path):
    """libsndfile reads the first and says nothing of the second."""
    whole = encoded(SOUND, "OGG", "VORBIS")
    assert len(soundfile.read(io.BytesIO(whole * 2))[0]) == len(SOUND)
    refused(tmp_path, whole + encoded(SOUND[:9000], "OGG", "VORBIS"))


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64"])
def test_a_file_of_which_is_not_known_where_it_ends_is_refused(tmp_path, kind):
    refused(tmp_path, encoded(SOUND, kind, "PCM_16"))


# Channels


def test_stereo_is_the_first_channel_or_the_mean(tmp_path):
    both = np.stack([SOUND[:999], 0.1 * SOUND[1:1000], 0 * SOUND[:999]], axis=1)
    content = encoded(both, "WAV", "DOUBLE")
    np.testing.assert_array_equal(read(tmp_path, content, stereo="first"), both[:, 0])
    np.testing.assert_allclose(read(tmp_path, content, stereo="mean"), both.mean(axis=1), atol=1e-15)


def test_the_published_recipes_hear_the_first_channel(tmp_path):
    """torchaudio's Kaldi filterbank takes channel 0 where none is named, and AudioMAE names none."""
    assert {recipe.input.stereo for recipe in RECIPES.values()} == {"first"}
    (tmp_path / "meta").mkdir()
    (tmp_path / "audio").mkdir()
    rows = [f"{fold}.wav,{fold},0,dog" for fold in range(1, 6)]
    (tmp_path / "meta" / "esc50.csv").write_text("\n".join(["filename,fold,target,category", *rows]) + "\n")
    left, right = SOUND[:8000], 0.2 * SOUND[8000:16000]
    soundfile.write(tmp_path / "audio" / "1.wav", np.stack([left, right], axis=1), RATE, subtype="DOUBLE")
    seen = {}
    for name, stereo in (("both", "first"), ("both", "mean"), ("left", "mean")):
        config = AudioInput(form="published", stereo=stereo, hop_ms=10.0, frames=32, mels=64, patch=16)
        if name == "left":
            soundfile.write(tmp_path / "audio" / "1.wav", left, RATE, subtype="DOUBLE")
        wanted = Wanted(input=config, augment=AudioAugment(), test=TestConfig(), goal="classification", variant="fold-1")
        items = open_esc50(tmp_path, "test", wanted)
        seen[name, stereo] = items.test(0)["x"].numpy()
        np.testing.assert_array_equal(items.train(0, 0)["x"].numpy(), seen[name, stereo][0])
    np.testing.assert_array_equal(seen["both", "first"], seen["left", "mean"])
    assert np.abs(seen["both", "mean"] - seen["both", "first"]).max() > 0.1


@pytest.mark.parametrize("rate", [1, 2**31 - 1])
def test_a_rate_that_no_sound_has_is_refused(tmp_path, rate):
    """One sample would become 16,000, or the filter between the rates 320 GiB."""
    soundfile.write(tmp_path / "sound.wav", np.zeros(100), rate)
    with pytest.raises(UserError, match=rf"sound\.wav: says that it has {rate} samples a second"):
        read_waveform(tmp_path / "sound.wav", 16000, "first")
