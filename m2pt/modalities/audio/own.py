"""One's own sounds."""

from pathlib import Path

import soundfile

from m2pt.modalities.audio.items import SoundItems, sections
from m2pt.modalities.own.dataset import OwnFiles, OwnSplit
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.wanted import Wanted

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3")


def _items(own: OwnSplit, wanted: Wanted) -> Items:
    return SoundItems(own.folder, own.listed_in, own.names, own.labels, own.classes, wanted)


def _require_possible(wanted: Wanted) -> None:
    sections("tasks: one's own sounds", wanted)


def _sizes(path: Path) -> dict[str, float]:
    info = soundfile.info(str(path))
    return {"length (s)": info.frames / info.samplerate, "sampling rate (Hz)": info.samplerate, "channels": info.channels}


OWN = OwnFiles(SUFFIXES, _items, _require_possible, _sizes)
