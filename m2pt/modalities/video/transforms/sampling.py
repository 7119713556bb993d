"""Which frames of a video become a clip.

With a stride, as VideoMAE does on Kinetics (arXiv 2203.12602, section 4.1 and its released code): dense clips of `frames` frames
out of a window of `frames` × `stride`. Without one, as it does on Something-Something: frames spread over the whole video.
`total` is the number of frames of the video, at least 1; a video that is too short repeats its last frame.
"""

import numpy as np
import torch


def training_clip(total: int, frames: int, stride: int | None, generator: torch.Generator) -> list[int]:
    """One clip at a random place; without a stride, one random frame out of each of `frames` equal parts."""
    if stride is None:
        places = torch.rand(frames, generator=generator).tolist()
        return [min(int((index + place) * total / frames), total - 1) for index, place in enumerate(places)]
    window = frames * stride
    if total <= window:
        return _short(total, frames, stride)
    return _window(int(torch.randint(window, total, (), generator=generator)), window, frames)


def centre_clip(total: int, frames: int, stride: int | None) -> list[int]:
    """One clip in the middle; without a stride, the middles of `frames` equal parts."""
    if stride is None:
        return _spread(total, frames, 1, 2)
    window = frames * stride
    if total <= window:
        return _short(total, frames, stride)
    return _window((window + total) // 2, window, frames)


def view_clips(total: int, frames: int, stride: int | None, clips: int) -> list[list[int]]:
    """`clips` clips from the beginning to the end of the video, evenly; a single one is in the middle."""
    if clips == 1:
        return [centre_clip(total, frames, stride)]
    if stride is None:
        return [_spread(total, frames, 2 * clip + 1, 2 * clips) for clip in range(clips)]
    taken = list(range(0, total, stride))
    taken += [taken[-1]] * (frames - len(taken))
    step = (len(taken) - frames) / (clips - 1)
    return [taken[int(clip * step) :][:frames] for clip in range(clips)]


def _spread(total: int, frames: int, part: int, parts: int) -> list[int]:
    """The frames at `part` / `parts` of each of `frames` equal stretches of the video."""
    return [(parts * index + part) * total // (parts * frames) for index in range(frames)]


def _window(end: int, window: int, frames: int) -> list[int]:
    """`frames` places from the first to the last frame of the window before `end`, both included."""
    places = np.linspace(end - window, end, num=frames)
    return [int(place) for place in np.clip(places, end - window, end - 1)]


def _short(total: int, frames: int, stride: int) -> list[int]:
    """Every `stride`-th frame, spread from the first to the last, which is repeated."""
    places = np.full(frames, float(total))
    places[: total // stride] = np.linspace(0, total, num=total // stride)
    return [int(place) for place in np.clip(places, 0, total - 1)]
