"""MP3 files as waveforms, by FFmpeg. Shape suffixes: S samples in time, C channels.

libsndfile guesses the length of a file without a header from its first frame, and reads no further than that; FFmpeg reads every
frame, and leaves out the encoder's padding before and after the sound if a header declares it, as libsndfile does.
"""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_BIT_RATES = {  # kbit/s by version (MPEG 1, MPEG 2 and 2.5) and layer: ISO/IEC 11172-3, 2.4.2.3, and 13818-3, 2.4.2.3
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_TAGGED_BYTES = 4096  # more than the longest frame


def read_mpeg(path: Path) -> tuple[NDArray[np.float64], int]:
    """(S, C) samples, full scale is 1, and their rate in Hz.

    Raises:
        ValueError: the last frame is cut off, or there are fewer than the header says.
        av.FFmpegError: a frame cannot be decoded.

    """
    parts, sizes, last = [], 0, b""
    with av.open(str(path), format="mp3") as container:
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate
        start = None
        for packet in container.demux(stream):
            if packet.size:
                start = packet.pos if start is None else start
                sizes, last = sizes + 1, bytes(packet)
            parts += [np.atleast_2d(frame.to_ndarray()) for frame in packet.decode()]
    if not last or len(last) < _frame_bytes(last):
        raise ValueError("the last frame is cut")
    if sizes < _promised(path, start or 0):
        raise ValueError("frames are missing")
    return np.concatenate(parts, axis=1).T.astype(np.float64), rate


def _frame_bytes(header: bytes) -> int:
    """The length of the frame that begins with these bytes; 0 where its header does not say (free format)."""
    version, layer = (header[1] >> 3) & 3, 4 - ((header[1] >> 1) & 3)
    bits, rate = header[2] >> 4, (header[2] >> 2) & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return 0
    hertz = _RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    bits_a_second = 1000 * _BIT_RATES[1 if version == 3 else 2, layer][bits - 1]
    padding = (header[2] >> 1) & 1
    if layer == 1:
        return (12 * bits_a_second // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits_a_second // hertz + padding


def _promised(path: Path, first: int) -> int:
    """How many frames the header promises, which is in a frame of its own before the first audible one; 0 without one."""
    with path.open("rb") as file:
        tag = file.read(10)
        place = 10 + sum(byte << shift for byte, shift in zip(tag[6:10], (21, 14, 7, 0), strict=True)) if tag[:3] == b"ID3" else 0
        file.seek(place)
        frame = file.read(max(0, min(first - place, _TAGGED_BYTES)))
    if len(frame) < 64:
        return 0
    mono, newest = frame[3] >> 6 == 3, (frame[1] >> 3) & 3 == 3
    tagged = frame[4 + ((17 if mono else 32) if newest else (9 if mono else 17)) :]
    if tagged[:4] in (b"Xing", b"Info") and tagged[7] & 1:
        return int.from_bytes(tagged[8:12], "big")
    return int.from_bytes(frame[50:54], "big") if frame[36:40] == b"VBRI" else 0
