"""One's own videos."""

from pathlib import Path

import av

from m2pt.modalities.own.dataset import GOALS, OwnFiles, OwnSplit
from m2pt.modalities.own.targets import targets
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.wanted import Wanted
from m2pt.modalities.video.items import VideoItems, sections

SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi")

_NAME = "of one's own videos"


def _items(own: OwnSplit, wanted: Wanted) -> Items:
    read_with = sections(own.folder, wanted, _NAME, GOALS)
    views = (wanted.test.clips, wanted.test.crops) if own.split == "test" else (1, 1)
    return VideoItems(own.folder, own.listed_in, own.names, targets(own, wanted.goal), own.classes, read_with, views)


def _require_possible(wanted: Wanted) -> None:
    sections("tasks", wanted, _NAME, GOALS)


def _sizes(path: Path) -> dict[str, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        sizes: dict[str, float] = {"width (pixels)": stream.width, "height (pixels)": stream.height}
        if stream.average_rate:
            sizes["frames per second"] = float(stream.average_rate)
        if container.duration:
            sizes["length (s)"] = container.duration / av.time_base
        return sizes


OWN = OwnFiles(SUFFIXES, _items, _require_possible, _sizes)
