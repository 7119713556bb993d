"""Where data lie, in which form samples reach the tokenizers, and the encoder behind these."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m2pt.config.base import Frozen, NonNegative, Positive, PositiveFloat, require_divisible


class EmbeddedData(Frozen):
    """Sizes of the embedded data sets (each modality the same); absent for a study on the user's own data."""

    seed: NonNegative = 0
    pretrain: Positive = 3000
    train: Positive = 1000
    val: Positive = 500
    test: Positive = 1000


class DataConfig(Frozen):
    """Where the data lie, one folder per modality (`<root>/<modality>`), and how to make them where they are embedded."""

    root: str = "data"
    embedded: EmbeddedData | None = None


Form = Literal["shared", "published"]
"""How a tokenizer marks place and pools: `shared` is this project's fixed Fourier code without class token, the same for all
modalities; `published` is that of the family whose weights are loaded (MAE, AudioMAE, Point-MAE, VideoMAE)."""

Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class ImageInput(Frozen):
    """Square images of `size` pixels, cut into `patch` × `patch` patches.

    The tokenizer sees `(x - mean) / std` of pixels in [0, 1], one value for all channels or one for each.
    """

    form: Form = "shared"
    size: Positive = 16
    channels: Literal[1, 3] = 1
    patch: Positive = 4
    mean: Channels = (0.5,)
    std: Channels = (0.5,)

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return require_divisible(self, ("size", "patch"))


Stereo = Literal["first", "mean"]
"""What becomes of a file with several channels: the first is taken (as AudioMAE does), or the mean of all."""


class AudioInput(Frozen):
    """Log-mel filterbanks: `frames` × `mels`, one frame every `hop_ms`, cut into `patch` × `patch` patches; of `stereo` files
    the first channel, or the mean of all.

    The tokenizer sees `(x - mean) / std`; the defaults are those of the embedded words.
    """

    form: Form = "shared"
    sample_rate: Positive = 16000
    stereo: Stereo = "mean"
    hop_ms: PositiveFloat = 25.0
    frames: Positive = 32
    mels: Positive = 32
    patch: Positive = 8
    mean: float = -3.0
    std: PositiveFloat = 3.0

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return require_divisible(self, ("frames", "patch"), ("mels", "patch"))


class PointInput(Frozen):
    """Clouds of `points` points; `groups` farthest-point centres with `neighbours` nearest points each become tokens.

    Clouds are `centred` and scaled into the unit sphere, or taken as they are stored; before that, they are `thinned` to so many
    farthest points. With `skip_origin`, farthest-point sampling passes over the points within |p|² <= 1e-3 of the origin, as the
    CUDA kernel does with which PointNet++ and Point-MAE were published.
    """

    form: Form = "shared"
    points: Positive = 192
    groups: Positive = 16
    neighbours: Positive = 12
    centred: bool = True
    thinned: Positive | None = None
    skip_origin: bool = False

    @model_validator(mode="after")
    def _enough_points(self) -> Self:
        for key in ("groups", "neighbours"):
            if getattr(self, key) > self.points:
                raise ValueError(f"{key} ({getattr(self, key)}) must not exceed points ({self.points})")
        if self.thinned is not None and self.thinned < self.points:
            raise ValueError(f"points ({self.points}) must not exceed thinned ({self.thinned})")
        return self


class VideoInput(Frozen):
    """Clips of `frames` square frames of `size` pixels, cut into tubelets of `tubelet` × `patch` × `patch`.

    `stride` frames of the video lie between two frames of a clip; None spreads the clip's frames over the whole video.
    """

    form: Form = "shared"
    frames: Positive = 8
    stride: Positive | None = None
    size: Positive = 16
    channels: Literal[1, 3] = 1
    tubelet: Positive = 2
    patch: Positive = 8
    mean: Channels = (0.5,)
    std: Channels = (0.5,)

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return require_divisible(self, ("frames", "tubelet"), ("size", "patch"))


class InputsConfig(Frozen):
    """The form in which each modality reaches its tokenizer."""

    image: ImageInput = ImageInput()
    audio: AudioInput = AudioInput()
    point: PointInput = PointInput()
    video: VideoInput = VideoInput()


InputConfig = ImageInput | AudioInput | PointInput | VideoInput


class ModelConfig(Frozen):
    """The shared encoder: a stack of timm ViT blocks."""

    width: Positive = 64
    depth: Positive = 4
    heads: Positive = 4
    mlp_ratio: PositiveFloat = 4.0
    qkv_bias: bool = True

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        return require_divisible(self, ("width", "heads"))
