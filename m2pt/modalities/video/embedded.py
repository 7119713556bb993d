"""The embedded video data: a handwritten digit moves in one of ten ways, in the layout of Kinetics lists (CSV and MP4 files).

The class is the motion; which digit moves says nothing about it, and no single frame does. Shape suffixes: N clips, T frames.
"""

from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from m2pt.config import EmbeddedData
from m2pt.modalities.embedded.digits import base_digits, place, to_bytes
from m2pt.modalities.embedded.sizes import NUM_CLASSES, split_sizes
from m2pt.modalities.embedded.synthesis import balanced_labels, generator, write_lines

VERSION = 1
"""Increase this with every change that alters a file."""

FRAMES = 8
SIZE = 16
FRAMES_PER_SECOND = 8
SCALE = (1.0, 1.5)  # canvas pixels per pixel of the 8 × 8 digit
ANGLE = 0.2  # radians, to either side
SHIFT = 1.5  # pixels of the motion's middle from the middle of the canvas, along each axis
TRAVEL = (1.5, 3.0)  # pixels from the middle of the motion to its end
TURN = (0.5, 1.0)  # radians from the middle to the end
ZOOM = (0.25, 0.45)  # logarithm of the scale from the middle to the end
DRIFT = 0.5  # pixels to the end, in every clip, in any direction: motion that says nothing
TREMBLE = 0.25  # pixels, every frame
CONTRAST = (0.7, 1.0)
NOISE = 0.05

CLASSES = (
    "bounce", "jitter", "move_down", "move_left", "move_right", "move_up", "turn_left", "turn_right", "zoom_in", "zoom_out",
)  # fmt: skip

SOURCE = [
    f"Clips of {FRAMES} frames of {SIZE} x {SIZE} pixels in which a handwritten digit moves in one of ten ways.",
    "Made from scikit-learn's copy of the UCI set 'Optical Recognition of Handwritten Digits' (E. Alpaydin, C. Kaynak, 1998;",
    "https://doi.org/10.24432/C50P49), which its authors license under CC BY 4.0. Encoded without loss by libx264 through PyAV.",
    "Layout: <split>.csv holds lines `path label`; line k of classes.txt names label k. The splits pretrain and train share base",
    "digits; val and test share none with any other split, and none is an embedded image's.",
]


def write(folder: Path, sizes: EmbeddedData) -> None:
    """Write the complete data set below `folder`, which must be empty or missing.

    Raises:
        UserError: scikit-learn is not installed, or a size is too small for ten classes.

    """
    for split, count in split_sizes(sizes).items():
        rng = generator(sizes, "video", split)
        labels = balanced_labels(count, rng)
        clips = _draw(base_digits(sizes.seed, "video", split), labels, rng)
        (folder / "videos" / split).mkdir(parents=True)
        lines = []
        for index, (label, clip) in enumerate(zip(labels, clips, strict=True)):
            name = f"videos/{split}/{split}_{index:05d}.mp4"
            _encode(folder / name, clip)
            lines.append(f"{name} {label}")
        write_lines(folder / f"{split}.csv", lines)
    write_lines(folder / "classes.txt", list(CLASSES))
    write_lines(folder / "SOURCE.txt", SOURCE)


def _draw(digits: NDArray[np.float64], labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(N, T, 16, 16) clips of the labels' motions."""
    count = len(labels)
    sources = digits[rng.integers(NUM_CLASSES, size=count), rng.integers(digits.shape[1], size=count)]
    centre_NT2, angle_NT, zoom_NT = _motion(labels, rng)
    start = (SIZE - 1) / 2 + rng.uniform(-SHIFT, SHIFT, size=(count, 1, 2))
    angle_NT = angle_NT + rng.uniform(-ANGLE, ANGLE, size=(count, 1))
    scale_NT = np.exp(zoom_NT) * rng.uniform(*SCALE, size=(count, 1))
    canvas = place(
        np.repeat(sources, FRAMES, axis=0),
        SIZE,
        scale=scale_NT.reshape(-1),
        angle=angle_NT.reshape(-1),
        shear=np.zeros(count * FRAMES),
        centre_N2=(start + centre_NT2).reshape(-1, 2),
    ).reshape(count, FRAMES, SIZE, SIZE)
    canvas *= rng.uniform(*CONTRAST, size=(count, 1, 1, 1))
    return to_bytes(canvas + NOISE * rng.standard_normal(canvas.shape))


def _motion(
    labels: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Position (N, T, 2), angle (N, T) and logarithm of the scale (N, T), relative to the clip's middle."""
    count = len(labels)
    time_T = np.linspace(-1.0, 1.0, FRAMES)
    travel, turn, zoom = (rng.uniform(*bounds, size=count) for bounds in (TRAVEL, TURN, ZOOM))
    heading = _direction(rng.uniform(0, 2 * np.pi, size=count))
    drift_N2 = DRIFT * rng.uniform(size=(count, 1)) * _direction(rng.uniform(0, 2 * np.pi, size=count))
    shake_NT2 = rng.uniform(-1.0, 1.0, size=(count, FRAMES, 2))
    position_NT2 = drift_N2[:, None] * time_T[None, :, None] + TREMBLE * rng.standard_normal((count, FRAMES, 2))
    angle_NT, scale_NT = np.zeros((count, FRAMES)), np.zeros((count, FRAMES))
    steady = {"move_up": (-1, 0), "move_down": (1, 0), "move_left": (0, -1), "move_right": (0, 1)}
    for index, label in enumerate(labels):
        match CLASSES[label]:
            case "bounce":
                position_NT2[index] += travel[index] * heading[index] * (2 * np.abs(time_T)[:, None] - 1)
            case "jitter":
                position_NT2[index] += travel[index] * shake_NT2[index]
            case "turn_left" | "turn_right" as name:
                angle_NT[index] = turn[index] * time_T * (1 if name == "turn_right" else -1)
            case "zoom_in" | "zoom_out" as name:
                scale_NT[index] = zoom[index] * time_T * (1 if name == "zoom_in" else -1)
            case name:
                position_NT2[index] += travel[index] * time_T[:, None] * np.array(steady[name])
    return position_NT2, angle_NT, scale_NT


def _direction(angle_N: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.sin(angle_N), np.cos(angle_N)], axis=1)


def _encode(path: Path, clip: NDArray[np.uint8]) -> None:
    """Write grey frames (T, H, W) as an MP4 file without loss and with nothing in it that varies between machines or runs."""
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.height, stream.width = clip.shape[1:]
        stream.pix_fmt = "gray"
        stream.options = {"qp": "0", "preset": "ultrafast", "x264-params": "cpu-independent=1:threads=1"}
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= int(av.codec.context.Flags.bitexact)
        stream.codec_context.color_range = ColorRange.JPEG
        for pixels in clip:
            frame = av.VideoFrame.from_ndarray(pixels, format="gray")
            frame.color_range = ColorRange.JPEG
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
