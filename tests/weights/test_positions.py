"""Positions on grids: as they are where the count is the wanted one, else by the rule of the layout's own code."""

import numpy as np
import pytest
import torch
from timm.layers import resample_abs_pos_embed

from m2pt.weights.positions import UnknownGridError, coded_grid, place

WIDTH = 24


def learned(places, *, class_token=True):
    return torch.randn(places + class_token, WIDTH, generator=torch.Generator().manual_seed(places))


def code(rows, columns, width=WIDTH):
    """The fixed code of a grid as the released programs make it, with a row of zeros for the class token."""
    columns_of, rows_of = np.meshgrid(np.arange(columns), np.arange(rows))
    omega = 1.0 / 10000 ** (np.arange(width // 4) / (width / 4.0))
    halves = []
    for places in (columns_of.reshape(-1), rows_of.reshape(-1)):
        angles = np.outer(places, omega)
        halves += [np.sin(angles), np.cos(angles)]
    table = np.concatenate(halves, axis=1)
    return torch.from_numpy(np.concatenate([np.zeros((1, width)), table])).float()


def table(places):
    angles = torch.arange(places, dtype=torch.float64)[:, None] / 10000 ** (2 * (torch.arange(WIDTH) // 2).double() / WIDTH)
    return torch.where(torch.arange(WIDTH) % 2 == 0, angles.sin(), angles.cos()).float()


@pytest.mark.parametrize(
    ("layout", "modality", "wanted"),
    [
        ("mae", "image", (14, 14)),
        ("timm", "image", (14, 14)),
        ("hf-vit", "image", (14, 14)),
        ("audiomae", "audio", (64, 8)),
        ("timm", "audio", (64, 8)),
        ("m2pt", "audio", (64, 8)),
        ("m2pt", "image", (7, 28)),
        ("videomae", "video", (8, 14, 14)),
        ("m2pt", "video", (8, 14, 14)),
    ],
)
def test_as_many_as_wanted_are_taken_as_they_are_in_order(layout, modality, wanted):
    count = int(np.prod(wanted))
    made_for_another = [learned(count, class_token=modality != "video")]
    if modality != "video":
        made_for_another += [code(8, count // 8), code(count // 4, 4)]
    for stored in made_for_another:
        if len(stored) == count + (modality != "video"):
            placed, resampled = place(stored, layout, modality, wanted)
            assert torch.equal(placed, stored)
            assert resampled is None


@pytest.mark.parametrize("frames", [128, 512, 1008])
def test_audiomae_at_fewer_frames_keeps_the_first_places_of_every_band(frames):
    """What the released function for other lengths does: (8, 64) to (8, frames / 16), flat; learned rows and the code alike."""
    for stored in (code(8, 64), learned(512)):
        placed, resampled = place(stored, "audiomae", "audio", (frames // 16, 8))
        rows = [stored[1 + band * 64 + time] for band in range(8) for time in range(frames // 16)]
        assert torch.equal(placed, torch.stack([stored[0], *rows]))
        assert str(resampled) == f"from 8 × 64 to 8 × {frames // 16} places, the first {frames // 16} of 64 in time kept"
    # The class built at that length has the very same code.
    torch.testing.assert_close(place(code(8, 64), "audiomae", "audio", (frames // 16, 8))[0], code(8, frames // 16))


def test_audiomae_at_more_frames_has_the_code_that_its_class_makes_there():
    placed, resampled = place(code(8, 64), "audiomae", "audio", (96, 8))
    torch.testing.assert_close(placed, code(8, 96), atol=1e-5, rtol=0)
    assert (resampled.old, resampled.new) == ((8, 64), (8, 96))
    stored = learned(512)
    placed, resampled = place(stored, "audiomae", "audio", (96, 8))
    grid = stored[1:].T.reshape(1, WIDTH, 8, 64)
    expected = torch.nn.functional.interpolate(grid, size=(8, 96), mode="bicubic", align_corners=False)
    assert torch.equal(placed[1:], expected.flatten(2)[0].T)
    assert "bicubically" in str(resampled)


def test_our_own_sounds_keep_their_order_whatever_they_came_from():
    placed, _ = place(code(64, 8), "m2pt", "audio", (32, 8))
    torch.testing.assert_close(placed, code(32, 8))
    placed, _ = place(code(64, 8), "m2pt", "audio", (80, 8))
    torch.testing.assert_close(placed, code(80, 8), atol=1e-5, rtol=0)
    # Loaded from AudioMAE, trained and saved here: still frequency first.
    placed, _ = place(code(8, 64), "m2pt", "audio", (32, 8))
    torch.testing.assert_close(placed, code(8, 32))


@pytest.mark.parametrize(
    ("stored", "layout", "modality", "wanted", "told"),
    [
        (learned(256), "audiomae", "audio", (64, 8), "256 places of a sound fit no grid that the layout defines"),
        (learned(256), "timm", "audio", (64, 8), "fit no grid that the layout defines"),
        (learned(256), "m2pt", "audio", (64, 8), "fit no grid that the layout defines"),
        (code(6, 40), "audiomae", "audio", (64, 8), "the 6 × 40 places do not have 8 bands"),
        (learned(1212), "audiomae", "audio", (64, 8), "patches that overlap"),
        (learned(195), "mae", "image", (14, 14), "195 places do not fill a square"),
        (learned(0), "mae", "image", (14, 14), "0 places do not fill a square"),
        (learned(1568, class_token=False), "videomae", "video", (2, 14, 14), "fit many grids"),
        (learned(392, class_token=False), "m2pt", "video", (8, 14, 14), "fit many grids"),
    ],
)
def test_a_grid_that_nothing_defines_is_refused(stored, layout, modality, wanted, told):
    with pytest.raises(UnknownGridError, match=told):
        place(stored, layout, modality, wanted)


def test_a_declared_grid_decides_and_must_be_that_of_the_rows():
    stored = learned(12)
    with pytest.raises(UnknownGridError, match="3 × 5 is declared, and 12 places are stored"):
        place(stored, "mae", "image", (4, 4), (3, 5))
    with pytest.raises(UnknownGridError, match="3 × 5 is declared, and 16 places are stored"):
        place(learned(16), "mae", "image", (4, 4), (3, 5))  # also where the count would do
    placed, resampled = place(stored, "mae", "image", (4, 4), (3, 4))
    grid = stored[1:].T.reshape(1, WIDTH, 3, 4)
    expected = torch.nn.functional.interpolate(grid, size=(4, 4), mode="bicubic", align_corners=False)
    assert torch.equal(placed[1:], expected.flatten(2)[0].T)
    assert (resampled.old, resampled.new) == ((3, 4), (4, 4))
    placed, _ = place(stored, "audiomae", "audio", (2, 4), (4, 3))  # frequency first
    assert torch.equal(placed[1:], stored[1:].view(4, 3, WIDTH)[:, :2].flatten(0, 1))
    placed, _ = place(stored, "m2pt", "audio", (2, 4), (3, 4))  # time first
    assert torch.equal(placed[1:], stored[1:].view(3, 4, WIDTH)[:2].flatten(0, 1))


@pytest.mark.parametrize("wanted", [(24, 24), (10, 10)])
def test_pictures_are_interpolated_as_their_own_code_does(wanted):
    stored = learned(196)
    grid = stored[1:].reshape(1, 14, 14, WIDTH).permute(0, 3, 1, 2)
    plain = torch.nn.functional.interpolate(grid, size=wanted, mode="bicubic", align_corners=False)
    for layout in ("mae", "hf-vit", "m2pt"):
        placed, _ = place(stored, layout, "image", wanted)
        torch.testing.assert_close(placed, torch.cat([stored[:1], plain.permute(0, 2, 3, 1).flatten(1, 2)[0]]))
    placed, resampled = place(stored, "timm", "image", wanted)
    torch.testing.assert_close(placed, resample_abs_pos_embed(stored[None], list(wanted), num_prefix_tokens=1)[0])
    assert "with antialiasing" in str(resampled)


def test_clips_have_the_code_of_so_many_tubelets_or_a_declared_grid():
    placed, resampled = place(table(1568), "m2pt", "video", (4, 10, 10))
    torch.testing.assert_close(placed, table(400), atol=1e-5, rtol=0)
    assert str(resampled) == "from 1568 to 400 places, the fixed code of so many tubelets"
    stored = learned(8 * 14 * 14, class_token=False)
    placed, _ = place(stored, "videomae", "video", (8, 16, 16), (8, 14, 14))  # as VideoMAE's fine-tuning does
    pictures = stored.view(8, 14, 14, WIDTH).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(pictures, size=(16, 16), mode="bicubic", align_corners=False)
    assert torch.equal(placed, expected.permute(0, 2, 3, 1).flatten(0, 2))
    placed, resampled = place(stored, "videomae", "video", (4, 14, 14), (8, 14, 14))
    assert placed.shape == (784, WIDTH)
    assert "trilinearly" in str(resampled)


def test_fixed_codes_show_their_grid_and_learned_rows_show_none():
    for grid in ((14, 14), (64, 8), (8, 64), (8, 3), (2, 5)):
        assert coded_grid(code(*grid)) == grid
    assert coded_grid(learned(64)) is None
    assert coded_grid(torch.zeros(513, WIDTH)) is None
    repeated = torch.cat([torch.zeros(1, WIDTH), learned(8)[1:].repeat(8, 1)])
    assert coded_grid(repeated) is None  # rows that repeat themselves are no code yet
