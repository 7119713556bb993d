"""Files to read, made here: as large as those of the published data sets, in class folders, each with a content of its own."""

from collections.abc import Callable
from pathlib import Path

import av
import h5py
import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("a", "b")
Write = Callable[[Path, np.random.Generator, bool], None]


def write_all(folder: Path, suffix: str, write: Write, count: int, tiny: bool) -> None:
    """Write so many files into class folders of `folder`; small ones if `tiny`."""
    for number in range(count):
        path = folder / CLASSES[number % len(CLASSES)] / f"{number:03}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, np.random.default_rng(number), tiny)


def picture(path: Path, draw: np.random.Generator, tiny: bool) -> None:
    """A JPEG of 500 x 375 pixels: ImageNet's usual size."""
    Image.fromarray(_scene(draw, *((40, 60) if tiny else (375, 500)))).save(path, quality=90)


def sound(path: Path, draw: np.random.Generator, tiny: bool) -> None:
    """A WAV of 5 s at 44.1 kHz, as of ESC-50."""
    rate, seconds = (16000, 1) if tiny else (44100, 5)
    tone = np.sin(np.linspace(0, 440 * 2 * np.pi * seconds, rate * seconds))
    soundfile.write(path, 0.3 * tone + 0.1 * draw.standard_normal(rate * seconds), rate)


def cloud(path: Path, draw: np.random.Generator, tiny: bool) -> None:
    """HDF5 with 2,048 points, as of ModelNet40."""
    del tiny
    with h5py.File(path, "w") as file:
        file["data"] = draw.standard_normal((2048, 3)).astype(np.float32)


def video(path: Path, draw: np.random.Generator, tiny: bool) -> None:
    """An MP4 (H.264) of 4 s with 25 frames of 340 x 256 a second, as Kinetics-400 is usually stored."""
    width, height, frames = (64, 48, 70) if tiny else (340, 256, 100)
    scene = _scene(draw, height, width + frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "ultrafast"}
        for start in range(frames):
            pixels = np.ascontiguousarray(scene[:, start : start + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def _scene(draw: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """A picture with large and small shapes, and some grain (H, W, 3)."""
    coarse = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    fine = Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    mixed = 0.7 * np.asarray(coarse, dtype=np.float64) + 0.25 * np.asarray(fine, dtype=np.float64)
    return np.clip(mixed + draw.normal(0, 4, mixed.shape), 0, 255).astype(np.uint8)
