"""Readers of published audio data sets by name."""

from m2pt.config import Dataset
from m2pt.modalities.audio.readers.audioset import open_audioset
from m2pt.modalities.audio.readers.esc50 import open_esc50
from m2pt.modalities.audio.readers.speech_commands import open_speech_commands
from m2pt.modalities.items import Reader

READERS: dict[Dataset, Reader] = {
    "audioset": open_audioset,
    "esc50": open_esc50,
    "speech-commands": open_speech_commands,
}
