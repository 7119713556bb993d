"""Predicts a scene of any size with a model that takes squares. C channels, H height, W width, K classes, B windows."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from m2pt.config import ImageInput


def predict_scene(
    model: nn.Module, x_CHW: Tensor, config: ImageInput, stride: int | None, num_classes: int, label_size: tuple[int, int]
) -> Tensor:
    """As `predict_windows`, with windows as large as the model's input; side by side if no stride is given."""
    return predict_windows(model, x_CHW, config.size, stride or config.size, num_classes, label_size)


@torch.no_grad()
def predict_windows(
    model: nn.Module, x_CHW: Tensor, size: int, stride: int, num_classes: int, label_size: tuple[int, int]
) -> Tensor:
    """Logits (K, H0, W0) for every pixel of the scene's label of `label_size` (H0, W0), float32, on the device of `x_CHW`.

    Windows of `size` pixels, `stride` apart, the last of each row and column moved back to the edge; where they overlap their
    logits are averaged, and the whole is resized bilinearly. A scene smaller than a window is continued by its edge. The model
    (B, C, size, size) -> (B, K, size, size) is used in the mode it is in.
    """
    high, wide = x_CHW.shape[-2:]
    padded_CHW = pad(x_CHW[None], (0, max(size - wide, 0), 0, max(size - high, 0)), mode="replicate")[0]
    total_KHW = padded_CHW.new_zeros((num_classes, *padded_CHW.shape[-2:]), dtype=torch.float32)
    count_HW = padded_CHW.new_zeros(padded_CHW.shape[-2:], dtype=torch.float32)
    for top in window_starts(padded_CHW.shape[-2], size, stride):
        for left in window_starts(padded_CHW.shape[-1], size, stride):
            place = (slice(top, top + size), slice(left, left + size))
            window_BCHW = padded_CHW[:, *place][None]
            total_KHW[:, *place] += model(window_BCHW)[0].float()
            count_HW[place] += 1
    logits_KHW = (total_KHW / count_HW)[:, :high, :wide]
    if logits_KHW.shape[-2:] == label_size:
        return logits_KHW
    return interpolate(logits_KHW[None], size=label_size, mode="bilinear", align_corners=False)[0]


def window_starts(length: int, size: int, stride: int) -> list[int]:
    """Where windows of `size` begin along a side of `length` pixels, `size` or more, so that every pixel is seen."""
    steps = -(-(length - size) // stride)
    return [min(step * stride, length - size) for step in range(steps + 1)]
