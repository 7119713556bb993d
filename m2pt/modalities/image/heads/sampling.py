"""Which anchors and regions of a picture a detector is trained with: as many as wanted, few of them objects, drawn by chance."""

import torch
from torch import Tensor

from m2pt.layers import RowNoise


class Sampler:
    """Takes the place of torchvision's `BalancedPositiveNegativeSampler`, whose draws depend on the whole batch and the device.

    Here each picture has its own draws, which follow from the run's seed and the row: a batch is the same in any parts.
    """

    def __init__(self, purpose: str, count: int, positive: float) -> None:
        self.purpose, self.count, self.positive = purpose, count, positive
        self._seeds: list[int] = []

    def draw(self, noise: RowNoise) -> None:
        """Fix the draws for the rows of the next batch."""
        self._seeds = (noise.uniform(f"detector {self.purpose}", 1)[:, 0] * 2**24).long().tolist()

    def __call__(self, labels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Of each picture's `labels` (positive, 0 for background, -1 for neither), which are taken: two lists of uint8 masks."""
        positive, negative = [], []
        for row, label in enumerate(labels):
            generator = torch.Generator().manual_seed(self._seeds[row] if self._seeds else row)
            objects = _some(label >= 1, int(self.count * self.positive), generator)
            positive.append(objects)
            negative.append(_some(label == 0, self.count - int(objects.sum()), generator))
        return positive, negative


def _some(among: Tensor, count: int, generator: torch.Generator) -> Tensor:
    places = among.nonzero()[:, 0]
    order = torch.randperm(len(places), generator=generator)[:count].to(places.device)
    taken = torch.zeros_like(among, dtype=torch.uint8)
    taken[places[order]] = 1
    return taken
