"""Reader of sounds named by an AudioSet manifest, as log-mel filterbanks.

`<split>.json` is `{"data": [{"wav": "relative/path", "labels": "/m/..."}]}`; `class_labels_indices.csv` (index, mid,
display_name) says what the labels mean. Shape suffixes: S samples in time, T frames, M mel bins.
"""

import csv
import math
import struct
from pathlib import Path
from typing import Any

import kaldi_native_fbank
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from m2pt.config import AudioInput, UserError
from m2pt.modalities.samples import Samples, collect, member, read_list, require_folder
from m2pt.records import read_json

CLASSES = "class_labels_indices.csv"

MIN_FRAME_MS = 25.0
"""A frame is 25 ms long, as in the recipes for AudioSet (every 10 ms), or two hops where hops are longer."""


def read(folder: Path, split: str, config: AudioInput) -> Samples:
    """Read one split in the order of its manifest: `frames` frames from the start, zeros after the end of a short sound.

    Filterbanks as in AST and AudioMAE: Kaldi's with a Hanning window, HTK's mel scale, no energy and no dither; the mean of the
    channels, resampled where the rate differs, without its own mean.

    Raises:
        UserError: a list or file is missing, empty or damaged, or an entry has no single known label.

    """
    require_folder(folder)
    labels_by_mid, classes = _classes(folder / CLASSES)
    manifest = folder / f"{split}.json"
    sounds, labels = [], []
    for number, entry in enumerate(_entries(manifest)):
        name, label = _entry(entry, number, manifest, labels_by_mid)
        sounds.append(_filterbank(member(folder, name, manifest), config)[None])
        labels.append(label)
    return collect(sounds, labels, classes, manifest)


def _classes(path: Path) -> tuple[dict[str, int], list[str]]:
    """The label of each identifier, and the names by label."""
    rows = list(csv.DictReader(read_list(path)))
    try:
        names = {int(row["index"]): row["display_name"] for row in rows}
        by_mid = {row["mid"]: int(row["index"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is no table of index, mid and display_name; make the data again.") from error
    if sorted(names) != list(range(len(rows))) or len(by_mid) != len(rows) or None in names.values():
        raise UserError(f"{path}: must give every class one index, counted from 0, and one mid; make the data again.")
    return by_mid, [names[index] for index in range(len(rows))]


def _entries(manifest: Path) -> list[Any]:
    if not manifest.is_file():
        raise UserError(f"{manifest}: is missing; a split of sounds is listed there.")
    try:
        document = read_json(manifest)
    except (UserError, UnicodeDecodeError) as error:
        raise UserError(f"{manifest}: is no valid JSON; restore the file.") from error
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UserError(f'{manifest}: is no manifest of the form {{"data": [...]}}; restore the file.')
    return entries


def _entry(entry: Any, number: int, manifest: Path, labels_by_mid: dict[str, int]) -> tuple[str, int]:
    name, mid = (entry.get("wav"), entry.get("labels")) if isinstance(entry, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(mid, str):
        raise UserError(f"{manifest}: data[{number}] needs `wav` and `labels`, both texts.")
    if mid not in labels_by_mid:
        many = " (one label for each sound is supported)" if "," in mid else ""
        raise UserError(f"{manifest}: data[{number}] has the label {mid!r}, which {CLASSES} does not name{many}.")
    return name, labels_by_mid[mid]


def _filterbank(path: Path, config: AudioInput) -> NDArray[np.float32]:
    """(T, M) log-mel energies."""
    sound_S = _waveform(path, config.sample_rate)
    frame_ms = max(MIN_FRAME_MS, 2 * config.hop_ms)
    # A sound shorter than one frame still gives one.
    sound_S = np.pad(sound_S - sound_S.mean(), (0, max(0, math.ceil(frame_ms * config.sample_rate / 1000) - len(sound_S))))
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = config.sample_rate
    options.frame_opts.frame_length_ms = frame_ms
    options.frame_opts.frame_shift_ms = config.hop_ms
    options.frame_opts.window_type = "hanning"
    options.mel_opts.num_bins = config.mels
    options.htk_compat = True
    options.use_energy = False
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(config.sample_rate, sound_S.astype(np.float32))
    bank.input_finished()
    count = min(bank.num_frames_ready, config.frames)
    frames_TM = np.zeros((config.frames, config.mels), dtype=np.float32)
    for index in range(count):
        frames_TM[index] = bank.get_frame(index)
    return frames_TM


def _waveform(path: Path, sample_rate: int) -> NDArray[np.float64]:
    """(S,) samples at the wanted rate."""
    damaged = f"{path}: is no whole sound file (truncated, damaged or of another format); restore the file."
    try:
        _refuse_truncated_wav(path)
        with soundfile.SoundFile(path) as file:
            rate, promised = file.samplerate, file.frames
            sound_SC = file.read(dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise UserError(damaged) from error
    if len(sound_SC) < promised:
        raise UserError(damaged)
    if len(sound_SC) == 0:
        raise UserError(f"{path}: holds no sound; restore the file.")
    if not np.isfinite(sound_SC).all():
        raise UserError(f"{path}: holds a sample that is no finite number; repair or remove it.")
    sound_S: NDArray[np.float64] = sound_SC.mean(axis=1)
    if rate != sample_rate:
        common = math.gcd(rate, sample_rate)
        sound_S = resample_poly(sound_S, sample_rate // common, rate // common)
    return sound_S


def _refuse_truncated_wav(path: Path) -> None:
    """Raise ValueError for a RIFF file that is shorter than its header says, which libsndfile would read without a word."""
    with path.open("rb") as file:
        header = file.read(8)
    if header[:4] != b"RIFF":
        return
    (size,) = struct.unpack("<I", header[4:].ljust(4, b"\0"))
    # A writer that could not go back to fill in the size leaves the largest number there.
    if size != 0xFFFFFFFF and size + 8 > path.stat().st_size:
        raise ValueError("the file is shorter than its header says")
