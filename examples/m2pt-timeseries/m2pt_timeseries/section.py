"""The keys of time series in a study: the form in which they reach the tokenizer, and their augmentation."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from m2pt.config.base import NonNegativeFloat, Positive, not_divisible
from m2pt.config.modalities.section import AugmentSection, InputSection, Wing


class TimeseriesInput(InputSection):
    """Series of equally many steps, each channel with mean 0 and standard deviation 1, as the UCR archive has them."""

    class_token: ClassVar[bool] = False
    axes: ClassVar[tuple[str, ...]] = ("time",)
    tokens_only: ClassVar[tuple[str, ...]] = ("patch",)

    kind: Literal["timeseries"] = "timeseries"
    """The modality."""
    form: Literal["shared"] = "shared"
    """There is no published tokenizer."""
    length: Positive = 96
    """Steps; a series of another length is resampled."""
    channels: Positive = 1
    """Values of each step."""
    patch: Positive = 6
    """Steps of a patch."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from not_divisible(self, ("length", "patch"))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Channels and steps."""
        return self.channels, self.length

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Channels and steps."""
        return self.channels, self.patch

    @property
    def counts(self) -> tuple[int, ...]:
        """Patches along time."""
        return (self.length // self.patch,)


class TimeseriesAugment(AugmentSection):
    """Training-time changes of a series: a random part of it, its level, noise."""

    kind: Literal["timeseries"] = "timeseries"
    """The modality."""
    crop: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The shortest part, as a share of the series."""
    scale: NonNegativeFloat = 0.1
    """Standard deviation of the logarithm of a random factor."""
    noise: NonNegativeFloat = 0.05
    """Standard deviation of the noise."""


WING = Wing(TimeseriesInput, TimeseriesAugment, "m2pt_timeseries.spec:TIMESERIES")
"""The entry point."""
