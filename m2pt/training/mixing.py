"""Mixing the samples of a batch with each other: timm's mixup and cutmix (arXiv 1710.09412, 1905.04899)."""

from typing import Any, cast

import torch
from timm.data.mixup import Mixup
from torch import Tensor

from m2pt.modalities.shared.items import seeded
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import Batch


class Mixing:
    """Mixes batches as the recipe of a run says, with labels of `num_classes` classes."""

    def __init__(self, spec: RunSpec, num_classes: int) -> None:
        self._spec = spec
        recipe = spec.finetune
        self._mixup = cast(Any, Mixup)(
            mixup_alpha=recipe.mixup,
            cutmix_alpha=recipe.cutmix,
            prob=1.0,
            switch_prob=0.5,
            mode="batch",
            label_smoothing=recipe.label_smoothing,
            num_classes=num_classes,
        )

    def mix(self, x: Tensor, y: Tensor, batch: Batch, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Mix each row with its mirror image in its group of rows, with one draw for each group.

        Clips are mixed like images with more channels. `place` is the epoch and the step. The labels become soft: (B, classes).
        """
        groups, counts = (batch.rows // (self._spec.finetune.mixing_rows or batch.total)).unique_consecutive(return_counts=True)
        mixed, soft = [], []
        for group, rows, labels in zip(groups.tolist(), x.split(counts.tolist()), y.split(counts.tolist()), strict=True):
            with seeded(derived_seed(self._spec.seed, "mixup", self._spec.target, *place, group)):
                both = self._mixup(rows.flatten(1, 2) if rows.ndim == 5 else rows, labels)
            mixed.append(both[0].view(rows.shape))
            soft.append(both[1])
        return torch.cat(mixed), torch.cat(soft)
