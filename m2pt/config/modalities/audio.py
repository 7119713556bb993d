"""The sections of sounds: the form in which they reach the tokenizer, and their augmentation on published data sets."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from m2pt.config.base import Form, Fraction, Goal, NonNegative, Positive, PositiveFloat, not_divisible
from m2pt.config.modalities.section import AugmentSection, InputSection, Wing

Stereo = Literal["first", "mean"]
"""How a file with several channels is read: the first is taken (as AudioMAE does), or the mean of all."""


class AudioInput(InputSection):
    """Log-mel filterbanks. The tokenizer sees `(x - mean) / std`; the defaults are those of the embedded words."""

    tokens_only: ClassVar[tuple[str, ...]] = ("patch",)
    axes: ClassVar[tuple[str, ...]] = ("time", "frequency")

    sample_rate: Positive = 16000
    """Samples per second; files of another rate are resampled."""
    stereo: Stereo = "mean"
    """The channel of a file with several: the first, or the mean of all."""
    hop_ms: PositiveFloat = 25.0
    """Milliseconds from one frame to the next."""
    frames: Positive = 32
    """Frames."""
    mels: Positive = 32
    """Mel bins."""
    patch: Positive = 8
    """Frames and bins along the sides of a patch."""
    mean: float = -3.0
    """Subtracted from the filterbank."""
    std: PositiveFloat = 3.0
    """What the filterbank is divided by."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from not_divisible(self, ("frames", "patch"), ("mels", "patch"))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """One channel, frames, mel bins."""
        return 1, self.frames, self.mels

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """One channel, time, frequency."""
        return 1, self.patch, self.patch

    @property
    def counts(self) -> tuple[int, ...]:
        """Patches along time and frequency."""
        return self.frames // self.patch, self.mels // self.patch


class AudioAugment(AugmentSection):
    """Training-time changes of a sound: of the waveform, then of the filterbank (SpecAugment), then dropped patches."""

    kind: Literal["audio"] = "audio"
    """The modality."""
    mixup: Fraction = 0.0
    """Probability that a waveform is mixed with another one of the split."""
    roll: bool = False
    """Start the sound at a random place, with its beginning after its end."""
    level: bool = False
    """Multiply the waveform by a factor between 0.5 and 1.5."""
    noise: bool = False
    """Add noise to the filterbank."""
    frequency_mask: NonNegative = 0
    """Upper limit of the masked band, in bins; 0 masks nothing."""
    time_mask: NonNegative = 0
    """Upper limit of the masked stretch, in frames; 0 masks nothing."""
    drop_time: Fraction = 0.0
    """Share of the patches' time columns that are left out."""
    drop_frequency: Fraction = 0.0
    """Share of the patches' frequency rows that are left out."""

    @property
    def mixes(self) -> bool:
        """Whether waveforms are mixed."""
        return self.mixup > 0

    def unread(self, goal: Goal, form: Form) -> Mapping[str, str]:
        """As `AugmentSection.unread`: only the published tokenizer leaves out patches."""
        del goal
        keys = ("drop_time", "drop_frequency") if form == "shared" else ()
        return dict.fromkeys(keys, "only the published form drops patches")


WING = Wing(AudioInput, AudioAugment, "m2pt.modalities.audio.spec:AUDIO")
