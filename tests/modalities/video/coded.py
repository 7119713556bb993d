"""Videos whose pictures tell where and when they are: written for tests, read back exactly."""

from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange

BITS = 9
BLOCK = 4  # pixels
CODE = BITS * BLOCK


def numbered(total, width=CODE, height=16):
    """Grey frames (T, H, W) that spell their index in binary, every `CODE` pixels anew: block k is white where bit k is set.

    The lower half of a frame tells the column instead.
    """
    bits = np.arange(total)[:, None] >> np.arange(BITS) & 1
    row = np.tile(np.repeat(bits, BLOCK, axis=1) * 255, (1, -(-width // CODE)))[:, :width]
    frames = np.broadcast_to(row[:, None], (total, height, width)).astype(np.uint8)
    frames[:, height // 2 :] = np.arange(width) % 256
    return frames


def number(pixels):
    """The index that a frame, bytes (H, W) or (H, W, 3), spells."""
    values = np.asarray(pixels, dtype=np.float64)
    values = (values.mean(axis=-1) if values.ndim == 3 else values)[: values.shape[0] // 2]
    return sum(1 << bit for bit in range(BITS) if values[:, bit * BLOCK + 1 : (bit + 1) * BLOCK - 1].mean() > 127)


def numbers(clip_CTHW):
    """The indices that the frames of a clip (C, T, H, W) in [0, 1] spell."""
    return [number(frame) for frame in clip_CTHW.mean(dim=0).numpy() * 255]


def write_video(path: Path, frames, *, codec="libx264", options=None, lossless=False, rate=25, rotation=0):
    """Encode grey (T, H, W) or colour (T, H, W, 3) bytes; the file's ending chooses the container.

    `rotation` is what it is to be turned by to the left when it is shown.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = frames.ndim == 3
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "ultrafast", **({"qp": "0"} if lossless else {}), **(options or {})}
        if rotation:
            stream.set_display_rotation(rotation)
        stream.pix_fmt = "gray" if grey and lossless else "yuv420p"
        if lossless:
            stream.codec_context.color_range = ColorRange.JPEG
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray" if grey else "rgb24")
            if lossless:
                frame.color_range = ColorRange.JPEG
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
