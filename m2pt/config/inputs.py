"""Where data lie, in which form samples reach the tokenizers, and the encoder behind these."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from m2pt.config.base import MODALITIES, Form, Frozen, Goal, Modality, NonNegative, Positive, PositiveFloat, require_divisible


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


Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class InputSection(Frozen):
    """What the sections of all modalities have: the form, and the facts of a modality that a spec or a file of weights needs.

    The rest of a modality is declared in its wing (`m2pt.modalities`).
    """

    class_token: ClassVar[bool] = True
    """Whether the published tokenizer puts a class token in front of the others."""
    axes: ClassVar[tuple[str, ...]] = ()
    """What the patches of the published tokenizer are counted along; empty where tokens are not patches of a grid."""
    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = {}
    """The keys of `finetune.test` that samples of this modality have a use for, with the goals that use them."""
    unread_of_small_data: ClassVar[Mapping[str, str]] = {}
    """The keys of this section that small data, which are read as a whole, do not read, with the reason for each."""

    for_tasks_only: ClassVar[tuple[str, ...]] = ()
    """The keys of this section that cannot be set for small data."""

    form: Form = "shared"
    """How the tokenizer marks place and pools: `shared` or `published`."""

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """The sides of a patch, channels first; empty where tokens are not patches of a grid."""
        return ()

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of patches along each of `axes`."""
        return ()


class ImageInput(InputSection):
    """Square pictures. The tokenizer sees `(x - mean) / std` of pixels in [0, 1]."""

    axes: ClassVar[tuple[str, ...]] = ("rows", "columns")
    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = {"stride": ("semantic_segmentation",)}

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

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Channels, height, width."""
        return self.channels, self.patch, self.patch

    @property
    def counts(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.size // self.patch, self.size // self.patch


Stereo = Literal["first", "mean"]
"""What becomes of a file with several channels: the first is taken (as AudioMAE does), or the mean of all."""


class AudioInput(InputSection):
    """Log-mel filterbanks. The tokenizer sees `(x - mean) / std`; the defaults are those of the embedded words."""

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

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return require_divisible(self, ("frames", "patch"), ("mels", "patch"))

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """One channel, time, frequency."""
        return 1, self.patch, self.patch

    @property
    def counts(self) -> tuple[int, ...]:
        """Places in time and in frequency."""
        return self.frames // self.patch, self.mels // self.patch


class PointInput(InputSection):
    """Clouds of points, whose tokens are groups of neighbours around farthest-point centres."""

    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = {"votes": ("classification",)}
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


class VideoInput(InputSection):
    """Clips of square frames, cut into tubelets of `tubelet` × `patch` × `patch`."""

    class_token: ClassVar[bool] = False
    axes: ClassVar[tuple[str, ...]] = ("frames", "rows", "columns")
    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = dict.fromkeys(("clips", "crops"), get_args(Goal))
    unread_of_small_data: ClassVar[Mapping[str, str]] = {"stride": "clips of small data are spread over the whole video"}

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

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Channels, time, height, width."""
        return self.channels, self.tubelet, self.patch, self.patch

    @property
    def counts(self) -> tuple[int, ...]:
        """Tubelets along time, height and width."""
        side = self.size // self.patch
        return self.frames // self.tubelet, side, side


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

SECTIONS: Mapping[Modality, type[InputSection]] = {name: type(getattr(InputsConfig(), name)) for name in MODALITIES}
"""The input section of each modality."""


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
