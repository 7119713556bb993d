"""How one cloud of a published data set is prepared for training and for testing, as Point-MAE does (arXiv 2203.06604).

Shapes: Q points of the cloud as it is stored, P points that the model sees, V views.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2pt.config import Goal, PointAugment, PointInput, UserError
from m2pt.modalities.point.transforms.geometry import ORIGIN, farthest_points
from m2pt.modalities.shared.wanted import Wanted


def prepared(points_Q3: NDArray[Any], config: PointInput, source: str) -> Tensor:
    """A cloud as it is stored in the form that the input section asks for: thinned, centred, float32.

    Raises:
        UserError: a coordinate is not a finite number, or all points coincide; `source` names the cloud.

    """
    centred = unit_sphere(points_Q3, source)
    if config.thinned is None or config.thinned >= len(points_Q3):
        return centred if config.centred else torch.from_numpy(points_Q3.astype(np.float32))
    # The published code thins clouds with plain NumPy, which passes over no point.
    kept = farthest_points(torch.from_numpy(points_Q3.astype(np.float32)).unsqueeze(0), config.thinned, first=0)[0].numpy()
    return unit_sphere(points_Q3[kept], source) if config.centred else torch.from_numpy(points_Q3[kept].astype(np.float32))


def unit_sphere(points_Q3: NDArray[Any], source: str) -> Tensor:
    """A cloud, centred and scaled so that its farthest point is at distance 1: float32.

    Raises:
        UserError: a coordinate is not a finite number, or all points coincide; `source` names the cloud.

    """
    points = points_Q3.astype(np.float64)
    if not np.isfinite(points).all():
        raise UserError(f"{source}: has a coordinate that is not a finite number; restore the file.")
    points -= points.mean(axis=0)
    radius = float(np.linalg.norm(points, axis=1).max())
    if radius == 0:
        raise UserError(f"{source}: all points coincide; restore the file.")
    return torch.from_numpy((points / radius).astype(np.float32))


@dataclass(frozen=True)
class CloudTransform:
    """For classification. A training cloud: farthest-point sampling from a random start to `sample_from` points, a random choice
    of P of these, a scale for each axis, a turn, a shift. Without `sample_from` P random points are chosen.

    A cloud is tested on P farthest points; or on `votes` views that are drawn like training clouds, with a fixed start.
    """

    config: PointInput
    augment: PointAugment | None
    votes: int

    def train(self, cloud_Q3: Tensor, generator: torch.Generator) -> Tensor:
        """Augment one cloud: (P, 3)."""
        if self.augment is None:
            return self.test(cloud_Q3, generator)[0]
        shuffled = cloud_Q3[torch.randperm(len(cloud_Q3), generator=generator)]
        return self._view(self._thinned(shuffled, self.augment.sample_from), self.augment, generator)

    def test(self, cloud_Q3: Tensor, generator: torch.Generator) -> Tensor:
        """The views of one cloud: (V, P, 3); `generator` is used where there are several."""
        if self.votes == 1 or self.augment is None:
            return self._thinned(cloud_Q3, self.config.points).unsqueeze(0)
        pool = self._thinned(cloud_Q3, self.augment.sample_from)
        return torch.stack([self._view(pool, self.augment, generator) for _ in range(self.votes)])

    def _view(self, pool_Q3: Tensor, augment: PointAugment, generator: torch.Generator) -> Tensor:
        chosen = torch.randperm(len(pool_Q3), generator=generator)[: self.config.points]
        return jitter(pool_Q3[chosen], augment, 3, generator)

    def _thinned(self, cloud_Q3: Tensor, count: int | None) -> Tensor:
        """At most `count` farthest points, from the first one on; the cloud itself where it has no more.

        Where points at the origin are passed over, the published code keeps one point for all of them.
        """
        if count is None:
            return cloud_Q3
        if count >= len(cloud_Q3) and not (self.config.skip_origin and bool((cloud_Q3.square().sum(dim=1) <= ORIGIN).any())):
            return cloud_Q3
        count = min(count, len(cloud_Q3))
        return cloud_Q3[farthest_points(cloud_Q3.unsqueeze(0), count, first=0, skip_origin=self.config.skip_origin)[0]]


@dataclass(frozen=True)
class PartTransform:
    """For part segmentation: P random points with their labels, drawn with replacement, for testing too (the published code).

    A training cloud is scaled (the same for all axes, other than in classification), turned and shifted.
    """

    config: PointInput
    augment: PointAugment | None

    def train(self, cloud_Q3: Tensor, labels_Q: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment one cloud: points (P, 3) and their labels (P,)."""
        points, labels = self.test(cloud_Q3, labels_Q, generator)
        return (points if self.augment is None else jitter(points, self.augment, 1, generator)), labels

    def test(self, cloud_Q3: Tensor, labels_Q: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw points (P, 3) and their labels (P,)."""
        chosen = torch.randint(len(cloud_Q3), (self.config.points,), generator=generator)
        return cloud_Q3[chosen], labels_Q[chosen]


def jitter(points_P3: Tensor, augment: PointAugment, scales: int, generator: torch.Generator) -> Tensor:
    """Scale a cloud with `scales` random factors (3: one for each axis, 1: one for all), turn it and shift it.

    A turn is any angle about the y axis, which is upright in the published data sets.
    """
    low, high = augment.scale
    scale = low + torch.rand(scales, generator=generator) * (high - low)
    shift = (torch.rand(3, generator=generator) * 2 - 1) * augment.shift
    if augment.turn:
        angle = float(torch.rand((), generator=generator)) * 2 * math.pi
        cosine, sine = math.cos(angle), math.sin(angle)
        points_P3 = points_P3 @ torch.tensor([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    return points_P3 * scale + shift


def cloud_transform(wanted: Wanted, dataset: str, goals: Sequence[Goal] = ("classification",)) -> CloudTransform:
    """The transform for classification, or tagging where a data set is for it, that is wanted.

    Raises:
        UserError: the study asks for what a data set of clouds with one label each does not have.

    """
    config, augment = _sections(wanted, goals, dataset)
    if augment is not None and augment.sample_from is not None and augment.sample_from < config.points:
        raise UserError(
            f"finetune.augment.sample_from: {augment.sample_from} points are fewer than the {config.points} that the model of "
            f"{dataset} sees; raise it or lower the input's points."
        )
    if augment is None and wanted.test.votes > 1:
        raise UserError("finetune.test.votes: votes differ by the random scales of finetune.augment (kind: point); set it.")
    return CloudTransform(config, augment, wanted.test.votes)


def part_transform(wanted: Wanted, dataset: str) -> PartTransform:
    """The transform for part segmentation that is wanted.

    Raises:
        UserError: the study asks for what a data set of clouds with labelled parts does not have.

    """
    config, augment = _sections(wanted, ("part_segmentation",), dataset)
    if augment is not None and augment.sample_from is not None:
        raise UserError(f"finetune.augment.sample_from: is for classification, not for the parts of {dataset}; leave it out.")
    if config.thinned is not None:
        raise UserError(f"input.thinned: is for classification, not for the parts of {dataset}; leave it out.")
    if wanted.test.votes > 1:
        raise UserError(f"finetune.test.votes: is for classification, not for the parts of {dataset}; leave it out.")
    return PartTransform(config, augment)


def _sections(wanted: Wanted, goals: Sequence[Goal], dataset: str) -> tuple[PointInput, PointAugment | None]:
    if wanted.goal not in goals:
        known = " or ".join(goals)
        raise UserError(f"tasks: the data set {dataset} is for the goal {known}, not {wanted.goal}; correct the task.")
    if not isinstance(wanted.input, PointInput) or not isinstance(wanted.augment, PointAugment | None):
        raise UserError(f"tasks: the data set {dataset} needs an input and augmentation of points; choose a recipe for point.")
    return wanted.input, wanted.augment
