"""Speak words with eSpeak NG: `python speech.py` reads a JSON list of utterances and writes their samples.

Each list has its own process: the library carries hidden state from one utterance to the next, so only a fresh process
speaks the same list with the same bytes; and a fault in its native code ends that process, not the caller's.
"""

import ctypes
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 22050

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback gets all samples before the call returns
_RATE, _PITCH = 1, 3  # espeakRATE, espeakPITCH
_CHARACTERS_UTF8 = 1
_SEED = 1


class Utterance(NamedTuple):
    """A word, the voice (`accent+variant`), words a minute (80 to 450) and pitch (0 to 100)."""

    text: str
    voice: str
    rate: int
    pitch: int


def speak(utterances: Sequence[Utterance]) -> list[NDArray[np.int16]]:
    """The samples of each utterance, 16 bits at `SAMPLE_RATE`; the same for the same list, in any process.

    Raises:
        RuntimeError: the synthesizer failed; the message says how.

    """
    # -P: the folder of this file holds modules that must not shadow installed ones.
    command = [sys.executable, "-P", __file__]
    done = subprocess.run(command, input=json.dumps(utterances).encode(), capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"it ended with exit status {done.returncode}")
    sounds, position = [], 0
    for _ in utterances:
        count = int(np.frombuffer(done.stdout, "<u4", 1, position)[0])
        sounds.append(np.frombuffer(done.stdout, "<i2", count, position + 4))
        position += 4 + 2 * count
    return sounds


def variants(data: Path) -> list[str]:
    """The voice variants that come with the library, by name."""
    return sorted(path.name for path in (data / "voices" / "!v").iterdir())


def _main() -> None:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    pieces: list[bytes] = []
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    data = espeakng_loader.get_data_path().encode()
    if library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0) != SAMPLE_RATE:
        sys.exit("eSpeak NG does not start with its data")
    kept = callback(collect)  # the library keeps a bare pointer
    library.espeak_SetSynthCallback(kept)
    library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))  # it would take the clock
    for text, voice, rate, pitch in json.load(sys.stdin):
        pieces.clear()
        word = text.encode()
        faults = (
            library.espeak_SetVoiceByName(voice.encode()),
            library.espeak_SetParameter(_RATE, rate, 0),
            library.espeak_SetParameter(_PITCH, pitch, 0),
            library.espeak_Synth(word, ctypes.c_size_t(len(word) + 1), 0, 1, 0, _CHARACTERS_UTF8, None, None),
        )
        if any(faults) or not pieces:
            sys.exit(f"eSpeak NG cannot speak {text!r} with voice {voice!r}")
        sound = b"".join(pieces)
        sys.stdout.buffer.write(np.uint32(len(sound) // 2).astype("<u4").tobytes() + sound)


if __name__ == "__main__":
    _main()
