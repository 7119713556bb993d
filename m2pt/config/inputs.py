"""Where data lie, in which form samples reach the tokenizers, and the encoder behind these."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m2pt.config.base import Frozen, NonNegative, Positive, PositiveFloat, require_divisible


class EmbeddedData(Frozen):
    """Sizes of the embedded data sets, the same for each modality."""

    seed: NonNegative = 0
    """Seed of the generated samples."""
    pretrain: Positive = 3000
    """Samples of the pretraining split."""
    train: Positive = 1000
    """Samples of the training split."""
    val: Positive = 500
    """Samples of the validation split."""
    test: Positive = 1000
    """Samples of the test split."""


class DataConfig(Frozen):
    """Where the data are, and how to make them if they are embedded."""

    root: str = "data"
    """Folder of the data: `<root>/<modality>` of a modality, `<root>/<path>` of a task."""
    embedded: EmbeddedData | None = None
    """Sizes of the embedded data sets; without the section nothing is generated."""


Form = Literal["shared", "published"]
"""How a tokenizer marks place and pools: `shared` is this project's fixed Fourier code without class token, the same for all
modalities; `published` is that of the family whose weights are loaded (MAE, AudioMAE, Point-MAE, VideoMAE)."""

Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class ImageInput(Frozen):
    """Square pictures. The tokenizer sees `(x - mean) / std` of pixels in [0, 1]."""

    form: Form = "shared"
    """How the tokenizer marks place and pools: `shared` or `published`."""
    size: Positive = 16
    """Pixels along each side."""
    channels: Literal[1, 3] = 1
    """Grey (1) or colour (3)."""
    patch: Positive = 4
    """Pixels along each side of a patch."""
    mean: Channels = (0.5,)
    """Subtracted from pixels in [0, 1]: one value, or one per channel."""
    std: Channels = (0.5,)
    """What pixels are divided by: one value, or one per channel."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return require_divisible(self, ("size", "patch"))


Stereo = Literal["first", "mean"]
"""What becomes of a file with several channels: the first is taken (as AudioMAE does), or the mean of all."""


class AudioInput(Frozen):
    """Log-mel filterbanks. The tokenizer sees `(x - mean) / std`; the defaults are those of the embedded words."""

    form: Form = "shared"
    """How the tokenizer marks place and pools: `shared` or `published`."""
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

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return require_divisible(self, ("frames", "patch"), ("mels", "patch"))


class PointInput(Frozen):
    """Clouds of points, whose tokens are groups of neighbours around farthest-point centres."""

    form: Form = "shared"
    """How the tokenizer marks place and pools: `shared` or `published`."""
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
    """In farthest-point sampling pass over points within |p|² <= 1e-3 of the origin, as the CUDA kernel of PointNet++ and
    Point-MAE does."""

    @model_validator(mode="after")
    def _enough_points(self) -> Self:
        for key in ("groups", "neighbours"):
            if getattr(self, key) > self.points:
                raise ValueError(f"{key} ({getattr(self, key)}) must not exceed points ({self.points})")
        if self.thinned is not None and self.thinned < self.points:
            raise ValueError(f"points ({self.points}) must not exceed thinned ({self.thinned})")
        return self


class VideoInput(Frozen):
    """Clips of square frames, cut into tubelets of `tubelet` × `patch` × `patch`."""

    form: Form = "shared"
    """How the tokenizer marks place and pools: `shared` or `published`."""
    frames: Positive = 8
    """Frames of a clip."""
    stride: Positive | None = None
    """Frames of the video from one frame of the clip to the next; without the key the clip is spread over the whole video."""
    size: Positive = 16
    """Pixels along each side of a frame."""
    channels: Literal[1, 3] = 1
    """Grey (1) or colour (3)."""
    tubelet: Positive = 2
    """Frames of a tubelet."""
    patch: Positive = 8
    """Pixels along each side of a tubelet."""
    mean: Channels = (0.5,)
    """Subtracted from pixels in [0, 1]: one value, or one per channel."""
    std: Channels = (0.5,)
    """What pixels are divided by: one value, or one per channel."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return require_divisible(self, ("frames", "tubelet"), ("size", "patch"))


class InputsConfig(Frozen):
    """The form in which each modality reaches its tokenizer."""

    image: ImageInput = ImageInput()
    """Pictures."""
    audio: AudioInput = AudioInput()
    """Sounds."""
    point: PointInput = PointInput()
    """Clouds of points."""
    video: VideoInput = VideoInput()
    """Clips."""


InputConfig = ImageInput | AudioInput | PointInput | VideoInput


FamilyName = Literal["vit"]


class ModelConfig(Frozen):
    """The encoder that all modalities share."""

    family: Annotated[FamilyName, Field(exclude_if=lambda family: family == "vit")] = "vit"
    """Kind of blocks: `vit` is a stack of timm's ViT blocks."""
    width: Positive = 64
    """Width of the tokens."""
    depth: Positive = 4
    """Blocks."""
    heads: Positive = 4
    """Attention heads, which divide the width."""
    mlp_ratio: PositiveFloat = 4.0
    """Width of the MLP, as a multiple of `width`."""
    qkv_bias: bool = True
    """Give queries, keys and values a bias."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        return require_divisible(self, ("width", "heads"))
