"""Sliding windows: one window is the plain forward; several are averaged; every pixel is seen."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from m2pt.modalities.image.heads.windows import predict_windows, window_starts


class Local(nn.Module):
    """Two logits for each pixel from that pixel alone."""

    def forward(self, x_BCHW):
        assert x_BCHW.shape[-2:] == (8, 8)
        return torch.stack([x_BCHW.sum(dim=1), x_BCHW[:, 0] - x_BCHW[:, 1]], dim=1)


def test_one_window_is_the_plain_forward():
    x_CHW = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    model = nn.Conv2d(3, 5, 3, padding=1)
    logits = predict_windows(model, x_CHW, 8, 5, 5, (8, 8))
    assert torch.equal(logits, model(x_CHW[None])[0].detach())
    assert not logits.requires_grad
    larger = predict_windows(model, x_CHW, 8, 5, 5, (20, 13))
    assert torch.equal(larger, interpolate(model(x_CHW[None]).detach(), size=(20, 13), mode="bilinear", align_corners=False)[0])


@pytest.mark.parametrize(("high", "wide"), [(8, 8), (8, 19), (21, 8), (13, 30), (5, 8), (8, 3), (4, 20)])
def test_what_depends_on_a_pixel_alone_does_not_depend_on_windows(high, wide):
    x_CHW = torch.rand(3, high, wide, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([x_CHW.sum(dim=0), x_CHW[0] - x_CHW[1]])
    torch.testing.assert_close(predict_windows(Local(), x_CHW, 8, 5, 2, (high, wide)), expected, atol=1e-6, rtol=0)


def test_overlaps_are_averaged():
    class Counter(nn.Module):
        calls = 0

        def forward(self, x_BCHW):
            Counter.calls += 1
            return torch.full((1, 1, 8, 8), float(Counter.calls))

    logits = predict_windows(Counter(), torch.zeros(3, 8, 13), 8, 5, 1, (8, 13))
    assert logits[0, 0].tolist() == [1.0] * 5 + [1.5] * 3 + [2.0] * 5


def test_windows_reach_the_edge():
    assert window_starts(8, 8, 5) == [0]
    assert window_starts(13, 8, 5) == [0, 5]
    assert window_starts(14, 8, 5) == [0, 5, 6]
    assert window_starts(683, 512, 341) == [0, 171]
