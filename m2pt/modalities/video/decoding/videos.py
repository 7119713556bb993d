"""Video files: which frames they hold, and the pictures of some of them, decoded with FFmpeg (PyAV).

A frame is named by its index in the order of display, as if the whole video were decoded; `Video.pick` decodes no more than it
must. Frames that an edit list leaves out do not count. Pictures are turned as the file says, by multiples of 90 degrees: so does
decord, the decoder of VideoMAE's runs. Memory holds the frames that are asked for, and decoding takes one thread: many readers go
side by side.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.video.decoding.whole import EndlessError, require_whole

T = TypeVar("T")

Frame = NDArray[np.uint8]
"""A decoded picture: (H, W, 3) colour or (H, W) grey."""

INDEXED = ("mp4", "matroska", "avi")
"""Containers (FFmpeg's names) with an index of key frames, where seeking is exact."""


class Video:
    """The video stream of an open file; of several that which FFmpeg calls the best (not a picture of the cover)."""

    def __init__(self, container: InputContainer) -> None:
        """List the frames without decoding them.

        Raises:
            ValueError: the file ends before what its header promises, or does not say how it is coded.
            LookupError: it has no video stream.

        """
        self._container = container
        self._stream = _main_stream(container)
        if self._stream.codec_context is None:  # a header that ends early can name a stream without saying how it is coded
            raise ValueError("no decoder")
        self._stream.codec_context.thread_count = 1
        packets = [packet for packet in container.demux(self._stream) if packet.size]
        if len(packets) < self._promised() or any(packet.is_corrupt for packet in packets):
            raise ValueError("the file is truncated")
        self._count = sum(not packet.is_discard for packet in packets)
        self._times = _times(packets)
        seekable = any(name in container.format.name.split(",") for name in INDEXED)
        self._entries = _entries(packets) if seekable and self._times else []

    def _promised(self) -> int:
        """How many packets the file promises, without what an MP4's edit list leaves out and frames that an AVI repeats."""
        return min(self._stream.frames, len(self._stream.index_entries))

    def upright(self, convert: Callable[[av.VideoFrame], Frame]) -> Callable[[av.VideoFrame], Frame]:
        """`convert`, and its pixels (H, W, ...) turned as the file says that the video is to be shown (as decord does)."""

        def turned(frame: av.VideoFrame) -> Frame:
            return np.ascontiguousarray(np.rot90(convert(frame), -_quarter_turns(self._stream, frame)))

        return turned

    def __len__(self) -> int:
        """How many frames decoding gives."""
        return self._count

    def frames(self) -> Iterator[av.VideoFrame]:
        """Every frame, from the first on."""
        self._container.seek(0)
        return self._container.decode(self._stream)

    def pick(self, indices: Iterable[int], convert: Callable[[av.VideoFrame], T]) -> dict[int, T]:
        """What `convert` makes of the frames with these indices; no other frame is converted.

        Decoding starts at the last key frame before each wanted frame and stops after the last one. Where the file's time stamps
        do not allow that, it starts at the beginning.

        Raises:
            ValueError: a frame cannot be decoded.

        """
        wanted = sorted(set(indices))
        pictures: dict[int, T] = {}
        for start, group in self._groups(wanted):
            pictures |= self._from_key_frame(start, group, convert)
        if len(pictures) < len(wanted):
            pictures = self._from_the_first(wanted, convert)
        if len(pictures) < len(wanted):
            raise ValueError("a frame cannot be decoded")
        return pictures

    def _groups(self, wanted: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Wanted indices by the place (a decoding time) from which decoding gives them."""
        if not self._entries:
            return []
        bounds = [bound for bound, _ in self._entries]
        groups: dict[int, list[int]] = {}
        for index in wanted:
            entry = max(bisect_right(bounds, self._times[index]) - 1, 0)
            groups.setdefault(self._entries[entry][1], []).append(index)
        return list(groups.items())

    def _from_key_frame(self, start: int, group: Sequence[int], convert: Callable[[av.VideoFrame], T]) -> dict[int, T]:
        indices = {self._times[index]: index for index in group}
        last, pictures = self._times[group[-1]], {}
        self._container.seek(start, stream=self._stream)
        for frame in self._container.decode(self._stream):
            if frame.pts in indices and not frame.is_corrupt:
                pictures[indices[frame.pts]] = convert(frame)
            if frame.pts is not None and frame.pts >= last:
                break
        return pictures

    def _from_the_first(self, wanted: Sequence[int], convert: Callable[[av.VideoFrame], T]) -> dict[int, T]:
        pictures = {}
        for index, frame in enumerate(self.frames()):
            if index in wanted and not frame.is_corrupt:
                pictures[index] = convert(frame)
            if index >= wanted[-1]:
                break
        return pictures


def _main_stream(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise LookupError("no video")
    return stream


def _times(packets: Sequence["Packet[VideoStream]"]) -> list[int]:
    """When each frame is displayed, in that order; empty where the packets do not tell frames apart by their times."""
    times = [packet.pts for packet in packets if not packet.is_discard]
    known = [time for time in times if time is not None]
    return sorted(known) if len(set(known)) == len(times) else []


def _entries(packets: Sequence["Packet[VideoStream]"]) -> list[tuple[int, int]]:
    """Where decoding may start: (display time from which on all frames follow, time by which the key frame is sought).

    Frames that are displayed before a key frame may follow it in the file and lean on frames before it (an open group of
    pictures); frames before it in the file may be displayed after it.
    """
    entries: list[tuple[int, int]] = []
    bound: int | None = None  # the latest display time so far, and one more
    for packet in packets:
        if packet.pts is None:
            continue
        if packet.is_keyframe:
            start = packet.pts if bound is None else max(packet.pts, bound)
            entries.append((start, packet.pts if packet.dts is None else packet.dts))
        bound = packet.pts + 1 if bound is None else max(bound, packet.pts + 1)
    rising = accumulate((start for start, _ in entries), max)
    return [(start, time) for start, (_, time) in zip(rising, entries, strict=True)]


@contextmanager
def opened(path: Path) -> Iterator[Video]:
    """The video in a file; closed afterwards.

    Raises:
        UserError: the file is truncated, damaged, holds no video, or shows so while it is decoded inside; or its container does
            not say where it ends.

    """
    try:
        with av.open(str(path)) as container:
            require_whole(path, container.format.name)
            yield Video(container)
    except EndlessError as error:
        raise UserError(
            f"{path}: is a video in a container that does not say where it ends, so that a part of it may be lost; write it anew "
            f"as MP4 or Matroska (ffmpeg -i {path.name} -c copy {path.stem}-whole.mkv) and list that."
        ) from error
    except (av.FFmpegError, OSError, ValueError, LookupError) as error:
        raise UserError(
            f"{path}: is not a complete video (truncated, damaged or of another format); restore the file."
        ) from error


def _quarter_turns(stream: VideoStream, frame: av.VideoFrame) -> int:
    """How often a frame is turned by 90 degrees, clockwise, to be shown; other angles are passed over, as decord does."""
    tagged = next((value for key, value in stream.metadata.items() if key.lower() == "rotate"), "")
    degrees = (float(tagged) if tagged.isdecimal() else 0.0) or -float(frame.rotation)
    degrees %= 360
    return int(degrees // 90) if degrees % 90 == 0 else 0
