"""Reader of small sets of sounds named by an AudioSet manifest, as log-mel filterbanks in memory."""

from pathlib import Path

from m2pt.config import AudioInput, UserError
from m2pt.modalities.audio.decoding.manifest import CLASSES, read_classes, read_entries, read_entry
from m2pt.modalities.audio.decoding.sounds import read_waveform
from m2pt.modalities.audio.transforms.filterbank import filterbank
from m2pt.modalities.shared.listings import require_unique
from m2pt.modalities.shared.samples import Samples, collect, member, require_folder


def read(folder: Path, split: str, config: AudioInput) -> Samples:
    """Read one split in the order of its manifest: `frames` frames from the start, zeros after the end of a short sound.

    Filterbanks as in AST and AudioMAE, resampled where the rate differs.

    Raises:
        UserError: a list or file is missing, empty or damaged, or an entry has no single known label.

    """
    require_folder(folder)
    labels_by_mid, classes = read_classes(folder / CLASSES)
    manifest = folder / f"{split}.json"
    sounds, labels = [], []
    entries = [read_entry(entry, number, manifest) for number, entry in enumerate(read_entries(manifest))]
    require_unique([name for name, _ in entries], manifest)
    for number, (name, mid) in enumerate(entries):
        if mid not in labels_by_mid:
            many = " (one label for each sound is supported)" if "," in mid else ""
            raise UserError(f"{manifest}: data[{number}] has the label {mid!r}, which {CLASSES} does not name{many}.")
        sound_S = read_waveform(member(folder, name, manifest), config.sample_rate, config.stereo)
        sounds.append(filterbank(sound_S, config)[None])
        labels.append(labels_by_mid[mid])
    return collect(sounds, labels, classes, manifest)
