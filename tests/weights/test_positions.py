"""Positions on grids: recognised, and brought to other sizes."""

import torch

from m2pt.modalities.positions import grid_sincos
from m2pt.weights.positions import clip_grid_of, grid_of, repeated, resize, resize_clip, square


def with_class(places):
    return torch.cat([torch.full((1, places.shape[1]), 9.0), places])


def test_fixed_codes_show_their_grid_and_learned_ones_do_not():
    for grid in ((14, 14), (64, 8), (8, 3), (2, 5)):
        assert repeated(with_class(grid_sincos(*grid, 24))) == grid
    assert repeated(torch.randn(65, 24)) is None
    assert repeated(torch.zeros(513, 24)) != (512, 1)


def test_the_grid_of_learned_positions():
    def learned(places):
        return torch.randn(1 + places, 24, generator=torch.Generator().manual_seed(0))

    assert grid_of(learned(512), (64, 8)) == (64, 8)
    assert grid_of(learned(256), (64, 8)) == (32, 8)
    assert grid_of(learned(250), (64, 8)) is None
    assert grid_of(learned(196), (24, 24)) == (14, 14)
    assert grid_of(learned(197), (24, 24)) is None
    # A fixed code is believed also where the number of places speaks for another grid.
    assert grid_of(with_class(grid_sincos(32, 16, 24)), (64, 8)) == (32, 16)
    assert square(0) is None


def test_the_grid_of_clips_and_a_smooth_field_in_three_dimensions():
    assert clip_grid_of(1568, (8, 14, 14)) == (8, 14, 14)
    assert clip_grid_of(784, (8, 14, 14)) == (4, 14, 14)
    assert clip_grid_of(392, (8, 14, 14)) == (8, 7, 7)
    assert clip_grid_of(7, (8, 14, 14)) == (7, 1, 1)
    axes = [torch.arange(size, dtype=torch.float32) for size in (4, 6, 6)]
    field = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
    assert resize_clip(field, (4, 6, 6), (4, 6, 6)) is field
    resized = resize_clip(field, (4, 6, 6), (8, 12, 12)).view(8, 12, 12, 3)
    # Between the outermost samples a linear field stays linear: the value is the place, in units of the old grid.
    t, y, x = 3, 5, 8
    assert torch.allclose(resized[t, y, x], (torch.tensor([t, y, x]) + 0.5) / 2 - 0.5)


def test_resizing_keeps_the_class_token_smooth_fields_and_the_order_of_rows_and_columns():
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    positions = with_class(torch.stack([rows, columns], dim=-1).flatten(0, 1))
    assert resize(positions, (8, 6), (8, 6)) is positions
    resized = resize(positions, (8, 6), (16, 12))
    assert torch.equal(resized[0], positions[0])
    inner = resized[1:].view(16, 12, 2)[4:-4, 4:-4]
    expected = torch.stack(torch.meshgrid(torch.arange(16.0) / 2 - 0.25, torch.arange(12.0) / 2 - 0.25, indexing="ij"), dim=-1)
    torch.testing.assert_close(inner, expected[4:-4, 4:-4], atol=0.05, rtol=0)
