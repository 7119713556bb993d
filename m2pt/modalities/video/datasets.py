"""Reader of videos listed in a CSV file, as Kinetics is for VideoMAE: lines `relative/path label` in `<split>.csv`.

Line k of `classes.txt` names label k. Shape suffixes: C channels, T frames, H height, W width.
"""

from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from m2pt.config import UserError, VideoInput
from m2pt.modalities.pixels import fit
from m2pt.modalities.samples import Samples, collect, member, read_list

CLASSES = "classes.txt"


def read(folder: Path, split: str, config: VideoInput) -> Samples:
    """Read one split in the order of its list: `frames` frames of each video, evenly over its length.

    Raises:
        UserError: a list or file is missing, empty or damaged, or a label is unknown.

    """
    classes = read_list(folder / CLASSES)
    listing = folder / f"{split}.csv"
    clips, labels = [], []
    reformatter = VideoReformatter()  # one for all: setting up a conversion costs more than converting a small frame
    for number, line in enumerate(read_list(listing), start=1):
        name, label = _entry(line, number, listing, len(classes))
        clip_CTHW = _clip(member(folder, name, listing), config, reformatter)
        clips.append(clip_CTHW.astype(np.float32) / np.float32(255))
        labels.append(label)
    return collect(clips, labels, classes, listing)


def _entry(line: str, number: int, listing: Path, num_classes: int) -> tuple[str, int]:
    """Path and label of one line; the path may hold spaces."""
    name, _, label = line.replace("\t", " ").rpartition(" ")
    if not name.strip() or not label.isdecimal():
        raise UserError(f"{listing}: line {number} is not `path label` with a whole number as the label: {line!r}.")
    if int(label) >= num_classes:
        raise UserError(f"{listing}: line {number} has label {label}, but {CLASSES} names only {num_classes} classes.")
    return name.strip(), int(label)


def _clip(path: Path, config: VideoInput, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """(C, T, H, W) bytes of the sampled frames."""
    try:
        _refuse_truncated_mp4(path)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if stream.codec_context is None:  # a header that ends early can name a stream without saying how it is coded
                raise ValueError("no decoder")
            stream.codec_context.thread_count = 1
            total = _count_frames(container, stream)
            # The middles of equal parts; of a clip with as many frames as are wanted, every frame.
            wanted = [(2 * index + 1) * total // (2 * config.frames) for index in range(config.frames)]
            container.seek(0)
            pictures: dict[int, NDArray[np.uint8]] = {}
            for index, frame in enumerate(container.decode(stream)):
                if index in wanted:
                    pictures[index] = fit(_picture(frame, config.channels, reformatter), config.size, config.channels)
            return np.stack([pictures[index] for index in wanted], axis=1)
    except (av.FFmpegError, OSError, ValueError, LookupError) as error:
        raise UserError(f"{path}: is no whole video (truncated, damaged or of another format); restore the file.") from error


def _refuse_truncated_mp4(path: Path) -> None:
    """Raise ValueError for an MP4 file whose last box ends after the file, which FFmpeg reads as far as it goes."""
    end = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(16)
        if header[4:8] != b"ftyp":
            return
        start = 0
        while start < end:
            file.seek(start)
            header = file.read(16).ljust(16, b"\0")
            # Sizes beyond 32 bits stand after the type, announced by 1; 0 stands for "to the end of the file".
            size = int.from_bytes(header[8:16] if header[:4] == b"\0\0\0\1" else header[:4], "big")
            if size == 0 and header[4:8].strip(b"\0"):
                return
            if size < 8 or start + size > end:
                raise ValueError("the file is truncated")
            start += size


def _count_frames(container: InputContainer, stream: VideoStream) -> int:
    """How many frames decoding will give, found without decoding.

    Raises:
        ValueError: the file ends before what its header promises.

    """
    packets = [packet for packet in container.demux(stream) if packet.size]
    if len(packets) < stream.frames or any(packet.is_corrupt for packet in packets):
        raise ValueError("the file is truncated")
    return sum(not packet.is_discard for packet in packets)


def _picture(frame: av.VideoFrame, channels: int, reformatter: VideoReformatter) -> Image.Image:
    return Image.fromarray(reformatter.reformat(frame, format="gray" if channels == 1 else "rgb24").to_ndarray())
