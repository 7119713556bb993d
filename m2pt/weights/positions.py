"""Stored positions for an input's grid: unchanged if their number is the same, else resampled by the layout's own rule.

A layout defines which grid its positions were made for, and how its own code resamples them to another size:

- pictures: MAE's, timm's and Hugging Face's grids are square; their rows are interpolated bicubically (timm's with antialiasing).
- sounds: AudioMAE's are the fixed code of a grid of frequency × time, (8, 64) at 1024 frames, added in flat order to tokens
  ordered time × frequency. Its class at another number of frames has the code of (8, frames / 16), and its function for other
  lengths keeps the first positions in time of every band, which is the same code.
- clips: VideoMAE's are the fixed code of that number of tubelets in a row, whatever their grid; learned ones can have any grid.

If a file holds other positions than its layout defines, the study must name the grid. Shapes: N places, D width.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from m2pt.config import SECTIONS, LayoutName, Modality, refuses_unknown
from m2pt.layers import grid_sincos, sinusoids

Grid = tuple[int, ...]
"""Rows and columns; time and frequency of a sound; frames, rows and columns of a clip."""

AUDIOMAE_GRID = (8, 64)
"""Frequency and time of AudioMAE's released class: 128 bands and 1024 frames in patches of 16."""

_OVERLAPPING = (1212, 1214)  # places of AudioMAE's and AST's patches that overlap by six at 1024 frames; with AST's two tokens
_SAME_CODE = 1e-4
_ANTIALIASED: tuple[LayoutName, ...] = ("timm", "m2pt-zoo")
_FIRST_KEPT: tuple[LayoutName, ...] = ("audiomae", "m2pt")  # of longer sounds


class UnknownGridError(Exception):
    """Nothing defines the grid that positions were made for; the message says why."""


@dataclass(frozen=True)
class Resampling:
    """How stored positions were resampled: their own grid, the new one with the same axes, and the method."""

    old: Grid
    new: Grid
    how: str

    def __str__(self) -> str:
        """In words."""
        old, new = (" × ".join(map(str, grid)) for grid in (self.old, self.new))
        return f"from {old} to {new} places, {self.how}"


@refuses_unknown
def place(
    positions_ND: Tensor, layout: LayoutName, modality: Modality, wanted: Grid, declared: Grid | None = None
) -> tuple[Tensor, Resampling | None]:
    """Stored positions for an input of `wanted` places, and how they were changed (None if they were not).

    Args:
        positions_ND: as stored; for pictures and sounds, the class token's comes first.
        layout: the file's.
        modality: the encoder's.
        wanted: the input's grid.
        declared: the grid of the stored positions if the study says it, in the layout's order of axes.

    Raises:
        UnknownGridError: the number of places differs, and nothing defines their grid; or the declared one does not fit them.

    """
    places = len(positions_ND) - SECTIONS[modality].class_token
    if declared is not None and (math.prod(declared) != places or len(declared) != len(wanted)):
        raise UnknownGridError(f"{' × '.join(map(str, declared))} is declared, and {places} places are stored")
    if places == math.prod(wanted):
        return positions_ND, None
    if has_clips(modality):
        return _clip(positions_ND, wanted, declared)
    own, frequency_first = own_grid(positions_ND, layout, modality, wanted, declared)
    if _has_sounds(modality) and layout in _FIRST_KEPT:
        return _sound(positions_ND, own, wanted, frequency_first=frequency_first)
    return _resize(positions_ND, own, wanted, antialias=layout in _ANTIALIASED)


@refuses_unknown
def own_grid(
    positions_ND: Tensor, layout: LayoutName, modality: Modality, wanted: Grid | None, declared: Grid | None = None
) -> tuple[Grid, bool]:
    """The grid that positions of pictures or sounds were made for, and whether frequency comes first for a sound.

    Raises:
        UnknownGridError: nothing defines it.

    """
    places = len(positions_ND) - 1
    sound = _has_sounds(modality)
    first = sound and layout == "audiomae"
    if declared is not None:
        return declared, first
    shown = coded_grid(positions_ND)
    if not sound:
        side = math.isqrt(max(places, 0))
        if shown is None and (side == 0 or side * side != places):
            raise UnknownGridError(f"{places} places do not fill a square")
        return shown or (side, side), False
    if places in _OVERLAPPING:
        raise UnknownGridError(f"{places} places are those of patches that overlap, which m2pt does not cut")
    if shown is not None and wanted is not None:
        # Files of this project keep AudioMAE's flat order; some of AudioMAE's programs declare the grid with time first.
        bands = wanted[1]
        if shown[0] != bands and shown[1] != bands:
            raise UnknownGridError(f"the {shown[0]} × {shown[1]} places do not have {bands} bands in frequency")
        return shown, shown[0] == bands if first else shown[1] != bands
    if shown is not None:
        return shown, first
    if first and places == math.prod(AUDIOMAE_GRID):
        return AUDIOMAE_GRID, True
    raise UnknownGridError(f"{places} places of a sound fit no grid that the layout defines")


@refuses_unknown
def has_clips(modality: Modality) -> bool:
    """Whether the places of a modality have a third axis, time."""
    return len(SECTIONS[modality].axes) == 3


def _has_sounds(modality: Modality) -> bool:
    return "frequency" in SECTIONS[modality].axes


def coded_grid(positions_ND: Tensor) -> Grid | None:
    """The grid (rows, columns) if positions (1 + N, D) are the fixed sine-cosine code of one, else None.

    The first half of such a code depends on the column alone, so it is the same in every row, and differs within a row.
    """
    places, width = len(positions_ND) - 1, positions_ND.shape[1]
    half_ND = positions_ND[1:, : width // 2].float()
    for columns in range(2, places):
        if places % columns == 0 and torch.allclose(half_ND[columns:], half_ND[:-columns], atol=_SAME_CODE):
            code_ND = grid_sincos(places // columns, columns, width)
            same = torch.allclose(positions_ND[1:].float(), code_ND, atol=_SAME_CODE)
            return (places // columns, columns) if same else None
    return None


def _sound(positions_ND: Tensor, own: Grid, wanted: Grid, *, frequency_first: bool) -> tuple[Tensor, Resampling]:
    """Positions (1 + N, D) of a sound for another number of frames; `wanted` and the tokens are in the order time, frequency."""
    new = (wanted[1], wanted[0]) if frequency_first else wanted
    time, bands = (1, 0) if frequency_first else (0, 1)
    if own[bands] != new[bands]:
        return _resize(positions_ND, own, new, antialias=False)
    if new[time] <= own[time]:
        grid = positions_ND[1:].view(*own, -1)
        kept = grid[:, : new[1]] if frequency_first else grid[: new[0]]
        how = f"the first {new[time]} of {own[time]} in time kept"
        return torch.cat([positions_ND[:1], kept.flatten(0, 1)]), Resampling(own, new, how)
    if coded_grid(positions_ND) == own:
        code_ND = grid_sincos(new[0], new[1], positions_ND.shape[1]).to(positions_ND)
        return torch.cat([positions_ND[:1], code_ND]), Resampling(own, new, "the same fixed code continued")
    return _resize(positions_ND, own, new, antialias=False)


def _resize(positions_ND: Tensor, old: Grid, new: Grid, *, antialias: bool) -> tuple[Tensor, Resampling]:
    """Positions (1 + N, D) of a picture; the class token's stays."""
    grid = positions_ND[1:].float().T.reshape(1, -1, *old)
    resized = nn.functional.interpolate(grid, size=new, mode="bicubic", align_corners=False, antialias=antialias)
    how = "interpolated bicubically" + " with antialiasing" * antialias
    return torch.cat([positions_ND[:1].float(), resized.flatten(2)[0].T]), Resampling(old, new, how)


def _clip(positions_ND: Tensor, wanted: Grid, declared: Grid | None) -> tuple[Tensor, Resampling]:
    """Positions (N, D) of clips: VideoMAE interpolates its pictures bicubically; it has no rule for other numbers of frames."""
    places, width = positions_ND.shape
    if torch.allclose(positions_ND.float(), sinusoids(places, width), atol=_SAME_CODE):
        code_ND = sinusoids(math.prod(wanted), width).to(positions_ND)
        return code_ND, Resampling((places,), (math.prod(wanted),), "the fixed code of so many tubelets")
    if declared is None:
        raise UnknownGridError(f"{places} learned places of clips fit many grids")
    frames, rows, columns = declared
    if frames == wanted[0]:
        pictures = positions_ND.float().view(frames, rows, columns, width).permute(0, 3, 1, 2)
        resized = nn.functional.interpolate(pictures, size=wanted[1:], mode="bicubic", align_corners=False)
        return resized.permute(0, 2, 3, 1).flatten(0, 2), Resampling(declared, wanted, "interpolated bicubically")
    grid = positions_ND.float().T.reshape(1, width, *declared)
    resized = nn.functional.interpolate(grid, size=wanted, mode="trilinear", align_corners=False)
    return resized.flatten(2)[0].T, Resampling(declared, wanted, "interpolated trilinearly")
