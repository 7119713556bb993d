"""The sections of point clouds: the form in which they reach the tokenizer, and their augmentation on published data sets."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from m2pt.config.base import Goal, NonNegativeFloat, Positive, PositiveFloat
from m2pt.config.modalities.section import AugmentSection, InputSection, Wing


class PointInput(InputSection):
    """Clouds of points, whose tokens are groups of neighbours around farthest-point centres."""

    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = {"votes": ("classification",)}
    tokens_only: ClassVar[tuple[str, ...]] = ("groups", "neighbours", "skip_origin")
    maps_only: ClassVar[tuple[str, ...]] = ("view",)
    for_tasks_only: ClassVar[tuple[str, ...]] = ("thinned",)

    points: Positive = 192
    """Points that the model sees."""
    groups: Positive = 16
    """Groups, which become tokens."""
    neighbours: Positive = 12
    """Nearest points in each group."""
    centred: bool = True
    """Centre clouds and scale them into the unit sphere; otherwise they are taken as stored."""
    thinned: Positive | None = None
    """First thin each cloud to this number of farthest points."""
    skip_origin: bool = False
    """In farthest-point sampling, skip points within |p|² <= 1e-3 of the origin, as the CUDA kernel of PointNet++ and
    Point-MAE does."""

    view: Annotated[Positive, Field(exclude_if=lambda view: view == 32)] = 32
    """Pixels along each side of the three views of a cloud that a ConvNet sees."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        for key in ("groups", "neighbours"):
            if getattr(self, key) > self.points:
                yield f"{key}: {getattr(self, key)} must not exceed points ({self.points})"
        if self.thinned is not None and self.thinned < self.points:
            yield f"points: {self.points} must not exceed thinned ({self.thinned})"

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Points, and their coordinates."""
        return self.points, 3


class PointAugment(AugmentSection):
    """Training-time changes of a cloud: sampling, scale, shift, turn."""

    kind: Literal["point"] = "point"
    """The modality."""
    sample_from: Positive | None = None
    """Thin the cloud to this number of farthest points, then keep `points` of them at random; only for classification."""
    scale: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    """Smallest and largest random scale: one per axis in classification, one for all axes in part segmentation."""
    shift: NonNegativeFloat = 0.0
    """Largest random shift along each axis."""
    turn: bool = False
    """Turn the cloud by a random angle about the vertical."""


WING = Wing(PointInput, PointAugment, "m2pt.modalities.point.spec:POINT")
