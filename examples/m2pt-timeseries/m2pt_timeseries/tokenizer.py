"""Series to tokens: patches over time, projected linearly. Shapes: B batch, C channels, L steps."""

from torch import Tensor

from m2pt.modalities.shared.patches import PatchGrid
from m2pt.modalities.shared.tokenizer import GridTokenizer
from m2pt_timeseries.section import TimeseriesInput


class TimeseriesTokenizer(GridTokenizer):
    """Series (B, C, L), which are normalised already."""

    def __init__(self, config: TimeseriesInput, width: int) -> None:
        grid = PatchGrid(config.channels, (1, 1, config.length), (1, 1, config.patch))
        super().__init__(grid, width, (0.0,), (1.0,))

    def to_grid(self, x: Tensor) -> Tensor:
        """Series as clips of one frame with one row."""
        return x[:, :, None, None]
