"""The schema of a study: frozen objects in which every key is known and every value is checked.

Sections that can change a number (`data`, `inputs`, `model`, `encoders`, `pretrain`, `finetune`, `pathway`, `sweep`) end
up in the identity of a run; `execution` never does.
"""

from typing import Annotated, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Modality = Literal["image", "audio", "point", "video"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

Layer = Literal["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

MethodName = Literal["baseline", "pathway", "random_auxiliary", "own_modality"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)

Setting = Literal["pretrained", "scratch"]
Tuning = Literal["full", "fix"]

RANDOM = "random"  # the encoder source that is always there: a fresh initialisation drawn from the run's seed


class UserError(Exception):
    """A fault the user can mend, told in one sentence: what is wrong, where, and what to do."""


class Frozen(BaseModel):
    """Base of all configuration: immutable, no unknown keys, no silent conversion, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
T = TypeVar("T", bound=Frozen)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_+.-]*$", max_length=60)]


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


class ImageInput(Frozen):
    """Square images of `size` pixels, cut into `patch` × `patch` patches."""

    size: Positive = 16
    channels: Literal[1, 3] = 1
    patch: Positive = 4

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return _require_divisible(self, ("size", "patch"))


class AudioInput(Frozen):
    """Log-mel filterbanks: `frames` × `mels`, one frame every `hop_ms`, cut into `patch` × `patch` patches.

    The tokenizer sees `(x - mean) / std`; the defaults are those of the embedded words.
    """

    sample_rate: Positive = 16000
    hop_ms: PositiveFloat = 25.0
    frames: Positive = 32
    mels: Positive = 32
    patch: Positive = 8
    mean: float = -3.0
    std: PositiveFloat = 3.0

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return _require_divisible(self, ("frames", "patch"), ("mels", "patch"))


class PointInput(Frozen):
    """Clouds of `points` points; `groups` farthest-point centres with `neighbours` nearest points each become tokens."""

    points: Positive = 192
    groups: Positive = 16
    neighbours: Positive = 12

    @model_validator(mode="after")
    def _enough_points(self) -> Self:
        for key in ("groups", "neighbours"):
            if getattr(self, key) > self.points:
                raise ValueError(f"{key} ({getattr(self, key)}) must not exceed points ({self.points})")
        return self


class VideoInput(Frozen):
    """Clips of `frames` square frames of `size` pixels, cut into tubelets of `tubelet` × `patch` × `patch`."""

    frames: Positive = 8
    size: Positive = 16
    channels: Literal[1, 3] = 1
    tubelet: Positive = 2
    patch: Positive = 8

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        return _require_divisible(self, ("frames", "tubelet"), ("size", "patch"))


def _require_divisible(config: T, *pairs: tuple[str, str]) -> T:
    for whole, part in pairs:
        if getattr(config, whole) % getattr(config, part):
            message = f"{whole} ({getattr(config, whole)}) must be a multiple of {part} ({getattr(config, part)})"
            raise ValueError(message)
    return config


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
        return _require_divisible(self, ("width", "heads"))


class MaeSource(Frozen):
    """An encoder pretrained here by masked autoencoding, without labels."""

    kind: Literal["mae"]
    seed: NonNegative = 0


class LabelsSource(Frozen):
    """An encoder trained further with the labels of its own modality's pretraining split, starting from source `start`."""

    kind: Literal["labels"]
    start: Name
    seed: NonNegative = 0


class FileSource(Frozen):
    """Encoders from files: one path per modality (safetensors with flat timm keys, or an encoder of this project)."""

    kind: Literal["file"]
    paths: dict[Modality, str]


EncoderSource = Annotated[MaeSource | LabelsSource | FileSource, Field(discriminator="kind")]


class OptimizerConfig(Frozen):
    """AdamW with a linear warm-up and a cosine decay to zero over a fixed number of steps."""

    batch_size: Positive
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.05
    warmup_steps: NonNegative = 20
    clip_norm: PositiveFloat | None = None


class MaePretrain(OptimizerConfig):
    """Masked autoencoding in the style of MAE, AudioMAE, Point-MAE and VideoMAE."""

    batch_size: Positive = 128
    steps: Positive = 1200
    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.6
    decoder_depth: Positive = 1


class LabelPretrain(OptimizerConfig):
    """Supervised training of a pretrained encoder on the labelled pretraining split."""

    batch_size: Positive = 128
    steps: Positive = 400
    label_smoothing: Fraction = 0.1


class PretrainConfig(Frozen):
    """How the encoders of a study are made."""

    mae: MaePretrain = MaePretrain()
    labels: LabelPretrain = LabelPretrain()


class FinetuneConfig(OptimizerConfig):
    """The fine-tuning recipe, the same for every method.

    `samples` labelled examples are drawn from the train split by the run's seed. `score` says which epoch's weights are tested:
    the last one, or the one with the best validation score.
    """

    batch_size: Positive = 32
    samples: Positive = 500
    epochs: Positive = 13
    label_smoothing: Fraction = 0.1
    drop_path: Fraction = 0.0
    augment: bool = True
    score: Literal["last", "best_val"] = "last"


class PathwayConfig(Frozen):
    """The Multimodal Pathway: `W + scale * W_aux` in the named layers of every block.

    `scale_lr_multiple` multiplies the learning rate of the scales, which are never decayed.
    """

    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = LAYERS
    granularity: Literal["layer", "block", "head", "channel"] = "layer"
    scale_init: float = 0.0
    scale_trainable: bool = True
    scale_lr_multiple: PositiveFloat = 30.0
    auxiliary_trainable: bool = True
    order: Literal["normal", "reversed", "shuffled"] = "normal"

    @model_validator(mode="after")
    def _distinct_layers(self) -> Self:
        if len(set(self.layers)) != len(self.layers):
            raise ValueError("layers must not repeat")
        return self


class SweepConfig(Frozen):
    """The grid: which runs a study holds.

    `pathway` runs every ordered pair of different modalities of `targets` × `auxiliaries`; the other methods run once per target.
    """

    seeds: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    targets: Annotated[tuple[Modality, ...], Field(min_length=1)] = MODALITIES
    auxiliaries: tuple[Modality, ...] = MODALITIES
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = METHODS
    settings: Annotated[tuple[Setting, ...], Field(min_length=1)] = ("pretrained",)
    tunings: Annotated[tuple[Tuning, ...], Field(min_length=1)] = ("full",)
    target_encoder: Name = "mae"
    auxiliary_encoder: Name = "mae"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for key in ("seeds", "targets", "auxiliaries", "methods", "settings", "tunings"):
            values = getattr(self, key)
            if len(set(values)) != len(values):
                raise ValueError(f"{key} must not repeat a value")
        return self


class ExecutionConfig(Frozen):
    """How runs are executed; nothing here can change a number, so nothing here is part of a run's identity.

    `devices`: `auto` takes every CUDA device, or CPU slots where there is none; `cpu`; or a list of CUDA device names.
    `slots`: how many jobs run at once on the CPU (`auto`: one per usable core).
    """

    devices: Literal["auto", "cpu"] | tuple[str, ...] = "auto"
    jobs_per_device: Positive = 1
    slots: Literal["auto"] | Positive = "auto"
    time_limit_s: PositiveFloat = 3600.0
    checkpoint_every_epochs: Positive = 1


class Study(Frozen):
    """A whole study, as declared by one params file."""

    study: Name
    data: DataConfig = DataConfig()
    inputs: InputsConfig = InputsConfig()
    model: ModelConfig = ModelConfig()
    encoders: dict[Name, EncoderSource]
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    pathway: PathwayConfig = PathwayConfig()
    sweep: SweepConfig
    execution: ExecutionConfig = ExecutionConfig()

    @model_validator(mode="after")
    def _encoders_exist(self) -> Self:
        if RANDOM in self.encoders:
            raise ValueError(f"encoders.{RANDOM}: the name is taken by the built-in random initialisation; choose another")
        for key in ("target_encoder", "auxiliary_encoder"):
            name = getattr(self.sweep, key)
            if name not in self.encoders and name != RANDOM:
                known = ", ".join([*self.encoders, RANDOM])
                raise ValueError(f"sweep.{key}: there is no encoder named {name!r}; known: {known}")
        for name, source in self.encoders.items():
            if isinstance(source, LabelsSource) and not isinstance(self.encoders.get(source.start), MaeSource):
                raise ValueError(f"encoders.{name}.start: {source.start!r} must name an encoder of kind mae")
        return self
