"""The embedded audio data: spoken digits in many synthetic voices, with noise, in the layout of AudioSet manifests.

Shape suffixes: S samples in time.
"""

import json
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

from m2pt.config import EmbeddedData, UserError
from m2pt.modalities.embedded.sizes import split_sizes
from m2pt.modalities.embedded.speech import SAMPLE_RATE as SPOKEN_RATE
from m2pt.modalities.embedded.speech import Utterance, speak, variants
from m2pt.modalities.embedded.synthesis import balanced_labels, generator, optional_package, write_lines
from m2pt.runs.identity import derived_seed

VERSION = 1
"""Increase this with every change that alters a file."""

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-us", "en-us-nyc")
VOICE_SHARES = {"train": 0.6, "val": 0.1, "test": 0.3}  # of the voice families; pretrain and train share one
RATE = (130, 260)  # words a minute
PITCH = (20, 80)
SAMPLE_RATE = 16000
LENGTH = 13200  # samples: 32 frames of 50 ms, one every 25 ms
LOUDNESS_DB = (-32.0, -18.0)  # of the word, against full scale
NOISE_DB = (15.0, 35.0)  # how far the noise is below the word
NOISE_COLOUR = (0.0, 2.0)  # power falls with this power of the frequency: white to brown
QUIET = 0.02  # of the peak; quieter parts before and after the word are cut off

_UP, _DOWN = SAMPLE_RATE // 50, SPOKEN_RATE // 50

SOURCE = [
    "The words zero to nine, spoken by a synthesizer in many voices, accents, rates and pitches, with coloured noise.",
    "Spoken by eSpeak NG (GPL-3.0-or-later; library and voices come with the espeakng-loader package and are not part of this).",
    "Layout: <split>.json names WAV files (16 kHz, 16 bit) and labels; class_labels_indices.csv names the labels.",
    "The splits pretrain and train share voices; val and test share none with any other.",
]


def write(folder: Path, sizes: EmbeddedData) -> None:
    """Write the complete data set below `folder`, which must be empty or missing.

    Raises:
        UserError: espeakng-loader is not installed or does not work here, or a size is too small for ten classes.

    """
    data = Path(optional_package("espeakng_loader").get_data_path())
    voices = _voice_shares(variants(data), sizes.seed)
    for split, count in split_sizes(sizes).items():
        rng = generator(sizes, "audio", split)
        labels = balanced_labels(count, rng)
        words = _speak(labels, voices["train" if split == "pretrain" else split], rng)
        low_pass = firwin(20 * _DOWN + 1, 1 / _DOWN, window=("kaiser", 5.0))
        (folder / "wav" / split).mkdir(parents=True)
        entries = []
        for index, (label, word) in enumerate(zip(labels, words, strict=True)):
            name = f"wav/{split}/{split}_{index:05d}.wav"
            _write_wav(folder / name, _record(word, low_pass, rng))
            entries.append({"wav": name, "labels": _identifier(CLASSES[label])})
        write_lines(folder / f"{split}.json", [json.dumps({"data": entries}, indent=1)])
    rows = [f'{index},{_identifier(name)},"{name}"' for index, name in enumerate(CLASSES)]
    write_lines(folder / "class_labels_indices.csv", ["index,mid,display_name", *rows])
    write_lines(folder / "SOURCE.txt", SOURCE)


def _identifier(name: str) -> str:
    return f"/m/spoken_{name}"


def _voice_shares(names: list[str], seed: int) -> dict[str, list[str]]:
    """The voices of each share. Voices of one family (`steph`, `steph2`, ...) sound alike, so a family stays together."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(name.rstrip("0123456789").lower(), []).append(name)
    order = np.random.default_rng(derived_seed(seed, "embedded", "voices")).permutation(sorted(families)).tolist()
    shares, start = {}, 0.0
    for share, part in VOICE_SHARES.items():
        first, last = round(start * len(order)), round((start + part) * len(order))
        shares[share] = [name for family in order[first:last] for name in families[family]]
        start += part
    return shares


def _speak(labels: NDArray[np.int64], voices: list[str], rng: np.random.Generator) -> list[NDArray[np.int16]]:
    count = len(labels)
    accents, speakers = rng.integers(len(ACCENTS), size=count), rng.integers(len(voices), size=count)
    rates, pitches = rng.integers(*RATE, size=count, endpoint=True), rng.integers(*PITCH, size=count, endpoint=True)
    utterances = [
        Utterance(CLASSES[label], f"{ACCENTS[accent]}+{voices[speaker]}", int(rate), int(pitch))
        for label, accent, speaker, rate, pitch in zip(labels, accents, speakers, rates, pitches, strict=True)
    ]
    try:
        return speak(utterances)
    except (RuntimeError, OSError) as error:
        raise UserError(f"espeakng-loader, which speaks the embedded audio data, does not work here: {error}.") from error


def _record(word_S: NDArray[np.int16], low_pass: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int16]:
    """The word at 16 kHz, somewhere in a clip of fixed length, with noise, as 16-bit samples."""
    sound_S = resample_poly(word_S.astype(np.float64) / 32768, _UP, _DOWN, window=low_pass)
    audible = np.flatnonzero(np.abs(sound_S) > QUIET * np.abs(sound_S).max())
    sound_S = sound_S[audible[0] : audible[-1] + 1][:LENGTH]
    level = 10 ** (rng.uniform(*LOUDNESS_DB) / 20)
    sound_S = sound_S * level / np.sqrt(np.mean(sound_S**2))
    clip_S = level * 10 ** (-rng.uniform(*NOISE_DB) / 20) * _noise(rng)
    start = rng.integers(LENGTH - len(sound_S), endpoint=True)
    clip_S[start : start + len(sound_S)] += sound_S
    return np.rint(np.clip(clip_S, -1.0, 1.0) * 32767).astype(np.int16)


def _noise(rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of a random colour, with an effective value of 1."""
    frequency = np.maximum(np.fft.rfftfreq(LENGTH, 1 / SAMPLE_RATE), 50.0)
    spectrum = np.fft.rfft(rng.standard_normal(LENGTH)) * frequency ** (-rng.uniform(*NOISE_COLOUR) / 2)
    noise_S: NDArray[np.float64] = np.fft.irfft(spectrum, LENGTH)
    noise_S /= np.sqrt(np.mean(noise_S**2))
    return noise_S


def _write_wav(path: Path, samples_S: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples_S.astype("<i2").tobytes())
