"""The fixed position codes of the published families. Shapes: N places, D width."""

import torch
from torch import Tensor


def grid_sincos(rows: int, columns: int, width: int) -> Tensor:
    """MAE's 2-D code of a grid, row by row: (rows * columns, D) float32.

    The first half of the width encodes the column, the second the row, each as sines followed by cosines at frequencies from 1
    down to 1/10000 (arXiv 2111.06377, appendix A.1); AudioMAE's is the same with time as rows and frequency as columns. What a
    width that is no multiple of four leaves over is zero.
    """
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    count = width // 4
    frequencies = 10000.0 ** (-torch.arange(count, dtype=torch.float64) / count)
    angles = [axis.flatten().double()[:, None] * frequencies for axis in (column, row)]
    code = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
    return torch.nn.functional.pad(code, (0, width - code.shape[1])).float()


def sinusoids(count: int, width: int) -> Tensor:
    """The code of a sequence that VideoMAE borrows from language models (arXiv 1706.03762, section 3.5): (count, D) float32.

    Sines in the even columns, cosines in the odd ones.
    """
    pair = torch.arange(width) // 2
    angles = torch.arange(count, dtype=torch.float64)[:, None] / 10000.0 ** (2 * pair.double() / width)
    even = torch.arange(width) % 2 == 0
    return torch.where(even, angles.sin(), angles.cos()).float()
