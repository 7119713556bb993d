"""The schema of a study: frozen objects in which every key is known and every value is checked.

Sections that can change a number (`data`, `inputs`, `model`, `encoders`, `pretrain`, `finetune`, `pathway`, `sweep`) end
up in the identity of a run; `execution` never does.
"""

import json
from typing import Annotated, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

Modality = Literal["image", "audio", "point", "video"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

Layer = Literal["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

MethodName = Literal[
    "baseline", "pathway",
    "random_auxiliary", "shuffled_auxiliary", "reversed_order", "shuffled_order", "own_modality", "target_copy",
    "zero_scale", "fixed_scale", "frozen_auxiliary", "matched_parameters",
    "all_auxiliaries", "two_branch", "frozen_encoder", "adapters", "cross_attention", "lora", "interpolation",
    "task_arithmetic", "auxiliary_start",
]  # fmt: skip
METHODS: tuple[MethodName, ...] = get_args(MethodName)
CORE_METHODS: tuple[MethodName, ...] = ("baseline", "pathway", "random_auxiliary", "own_modality")

Takes = Literal["nothing", "each", "random", "own", "all"]
"""Which auxiliaries a method is run with: none; each other modality in turn; fresh random weights; the target's own modality; all
other modalities at once."""

TAKES: dict[MethodName, Takes] = {
    "baseline": "nothing", "pathway": "each",
    "random_auxiliary": "random", "shuffled_auxiliary": "each", "reversed_order": "each", "shuffled_order": "each",
    "own_modality": "own", "target_copy": "nothing",
    "zero_scale": "random", "fixed_scale": "each", "frozen_auxiliary": "each", "matched_parameters": "nothing",
    "all_auxiliaries": "all", "two_branch": "each", "frozen_encoder": "each", "adapters": "each", "cross_attention": "each",
    "lora": "nothing", "interpolation": "each", "task_arithmetic": "each", "auxiliary_start": "each",
}  # fmt: skip

RIVALS: tuple[MethodName, ...] = ("adapters", "lora", "interpolation", "task_arithmetic")
"""The methods that the section `rivals` says something to."""

FIXED_SCALE = 0.01
"""Table 5 of the paper fixes its scales there."""

JOINED: dict[MethodName, dict[str, object]] = {
    "pathway": {}, "random_auxiliary": {}, "shuffled_auxiliary": {}, "own_modality": {}, "target_copy": {}, "all_auxiliaries": {},
    "two_branch": {},
    "reversed_order": {"order": "reversed"},
    "shuffled_order": {"order": "shuffled"},
    "zero_scale": {"scale_init": 0.0, "scale_trainable": False, "auxiliary_trainable": False},
    "fixed_scale": {"scale_init": FIXED_SCALE, "scale_trainable": False},
    "frozen_auxiliary": {"auxiliary_trainable": False},
    "matched_parameters": {"scale_init": 1.0, "scale_trainable": False, "auxiliary_trainable": True},
}  # fmt: skip
"""The methods that join weights to the target's, with what each of them fixes in the `pathway` section."""

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
        return _require_divisible(self, ("size", "patch"))


class AudioInput(Frozen):
    """Log-mel filterbanks: `frames` × `mels`, one frame every `hop_ms`, cut into `patch` × `patch` patches.

    The tokenizer sees `(x - mean) / std`; the defaults are those of the embedded words.
    """

    form: Form = "shared"
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

    form: Form = "shared"
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
    """An encoder pretrained here by masked autoencoding, without labels; `steps` where they differ from `pretrain.mae.steps`."""

    kind: Literal["mae"]
    seed: NonNegative = 0
    steps: Positive | None = None


class LabelsSource(Frozen):
    """An encoder trained further with the labels of its own modality's pretraining split, starting from source `start`.

    `steps` where they differ from `pretrain.labels.steps`.
    """

    kind: Literal["labels"]
    start: Name
    seed: NonNegative = 0
    steps: Positive | None = None


class FileSource(Frozen):
    """Encoders from files: one path per modality, in any published layout (`m2pt.weights`), a file or a folder.

    `epochs` says for how long they were pretrained, where that differs from the usual: a report names it and compares by it.
    """

    kind: Literal["file"]
    paths: dict[Modality, str]
    epochs: Positive | None = None


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


class ImageAugment(Frozen):
    """Training-time changes of a picture: random resized crop, flip, RandAugment (timm's policy string), erasing.

    For scenes with a label per pixel: random rescaling by `scene_scale`, crop, flip, photometric distortion.
    """

    kind: Literal["image"] = "image"
    crop_scale: tuple[PositiveFloat, PositiveFloat] = (0.08, 1.0)
    flip: float = 0.5
    policy: str | None = None
    color_jitter: NonNegativeFloat = 0.0
    erasing: Fraction = 0.0
    scene_scale: tuple[PositiveFloat, PositiveFloat] | None = None


class AudioAugment(Frozen):
    """Training-time changes of a sound: waveform mixup, roll, SpecAugment masks (in bins and frames), dropped patches."""

    kind: Literal["audio"] = "audio"
    mixup: Fraction = 0.0
    roll: bool = False
    noise: bool = False
    frequency_mask: NonNegative = 0
    time_mask: NonNegative = 0
    drop_time: Fraction = 0.0
    drop_frequency: Fraction = 0.0


class PointAugment(Frozen):
    """Training-time changes of a cloud: thinned to `sample_from` farthest points, of which a random choice of the input's number
    is kept; scale per axis, shift, turn.
    """

    kind: Literal["point"] = "point"
    sample_from: Positive | None = None
    scale: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    shift: NonNegativeFloat = 0.0
    turn: bool = False


class VideoAugment(Frozen):
    """Training-time changes of a clip, the same for all its frames: crop, flip, RandAugment (timm's policy string), erasing."""

    kind: Literal["video"] = "video"
    crop_scale: tuple[PositiveFloat, PositiveFloat] = (0.08, 1.0)
    flip: float = 0.5
    policy: str | None = None
    erasing: Fraction = 0.0


Augmentation = Annotated[ImageAugment | AudioAugment | PointAugment | VideoAugment, Field(discriminator="kind")]

Head = Literal["mean", "class_token", "class_and_max", "part_segmentation", "upernet"]


class TestConfig(Frozen):
    """How a model is tested where that is more than one look at each sample.

    `clips` × `crops` views of a video are averaged (as probabilities); a cloud is classified `votes` times under random scales,
    and the logits are averaged; a scene is looked at through windows `stride` pixels apart.
    """

    __test__: ClassVar[bool] = False  # no test class, whatever pytest takes its name for

    clips: Positive = 1
    crops: Positive = 1
    votes: Positive = 1
    stride: Positive | None = None


class FinetuneConfig(OptimizerConfig):
    """The fine-tuning recipe, the same for every method.

    `samples` labelled examples (or `all`) are drawn from the train split by the run's seed. `score` says which epoch's weights
    are tested: the last one, or the one with the best validation score. `augment` is true for the embedded data sets' own.

    The peak learning rate is `learning_rate`, times `batch_size / learning_rate_per` where that is set; a block's is multiplied
    by `layer_decay` for every layer above it. `warmup_epochs` stands in for `warmup_steps` where it is set. Each of the
    `batch_size` samples of a batch stands there `repeats` times, differently augmented; `weighted` draws `epoch_samples` by the
    inverse frequency of their classes.
    """

    batch_size: Positive = 32
    samples: Positive | Literal["all"] = 500
    epochs: Positive = 13
    label_smoothing: Fraction = 0.1
    drop_path: Fraction = 0.0
    augment: bool | Augmentation = True
    score: Literal["last", "best_val"] = "last"
    optimizer: Literal["adamw", "lars"] = "adamw"
    learning_rate_per: Positive | None = None
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    warmup_epochs: NonNegativeFloat | None = None
    final_learning_rate: NonNegativeFloat = 0.0
    decay: Literal["cosine", "linear"] = "cosine"
    loss: Literal["cross_entropy", "binary_cross_entropy"] = "cross_entropy"
    mixup: NonNegativeFloat = 0.0
    cutmix: NonNegativeFloat = 0.0
    head: Head = "mean"
    head_init_std: PositiveFloat = 0.02
    repeats: Positive = 1
    weighted: bool = False
    epoch_samples: Positive | None = None
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compiled: bool = False
    test: TestConfig = TestConfig()


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


Dataset = Literal[
    "imagenet", "webdataset", "ade20k",
    "audioset", "esc50", "speech-commands",
    "modelnet40", "scanobjectnn", "shapenetpart", "partnet",
    "kinetics",
]  # fmt: skip
Goal = Literal["classification", "tagging", "part_segmentation", "semantic_segmentation"]


class TaskConfig(Frozen):
    """A target that is more than a modality: one published data set in its published files, with the recipes to train for it.

    The files lie in `<data.root>/<path>`. `recipes` names a recipe of the modality for each tuning that the task is run in
    (`m2pt/modalities/<modality>/recipes.py`); `finetune` and `input` change single values of it. `holdout` is the fraction of the
    training split that is kept apart as validation data where the data set has none. A file that cannot be read ends a run
    that meets it, or is left out from the start and counted (`unreadable: skip`).
    """

    modality: Modality
    dataset: Dataset
    goal: Goal = "classification"
    path: str
    variant: str | None = None
    recipes: Annotated[dict[Tuning, Name], Field(min_length=1)]
    finetune: dict[str, JsonValue] = {}
    input: dict[str, JsonValue] = {}
    holdout: Fraction = 0.0
    unreadable: Literal["fail", "skip"] = "fail"


class SweepConfig(Frozen):
    """The grid: which runs a study holds.

    A target is a modality (its small data in `<data.root>/<modality>`, read as a whole) or the name of a task. `pathway` runs
    every pair of different modalities of `targets` × `auxiliaries`; the other methods run once per target.
    """

    seeds: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    targets: Annotated[tuple[Name, ...], Field(min_length=1)] = MODALITIES
    auxiliaries: tuple[Modality, ...] = MODALITIES
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = CORE_METHODS
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


class PartConfig(Frozen):
    """A part of a study: the whole file with some values changed, by dotted keys (`set: {pathway.order: reversed}`)."""

    name: Name
    changes: Annotated[dict[str, JsonValue], Field(alias="set")] = {}


class ExecutionConfig(Frozen):
    """How runs are executed; nothing here can change a number, so nothing here is part of a run's identity.

    `devices`: `auto` takes every CUDA device, or CPU slots where there is none; `cpu`; or a list of CUDA device names.
    `slots`: how many jobs run at once on the CPU (`auto`: one per usable core).

    `devices_per_job` trains one model on several devices, `micro_batch` is the most samples a device takes at once, and
    `loader_workers` read files for each device: the result is the same up to the order of sums.
    """

    devices: Literal["auto", "cpu"] | tuple[str, ...] = "auto"
    jobs_per_device: Positive = 1
    slots: Literal["auto"] | Positive = "auto"
    time_limit_s: PositiveFloat = 3600.0
    checkpoint_every_epochs: Positive = 1
    checkpoint_every_steps: Positive | None = None
    devices_per_job: Positive = 1
    micro_batch: Positive | None = None
    gradient_checkpointing: bool = False
    loader_workers: NonNegative = 0


class RivalsConfig(Frozen):
    """What the rival methods need to be told.

    `lora_rank` and `lora_alpha` as in LoRA (arXiv 2106.09685), `adapter_width` is the bottleneck of the adapters, `mix` the share
    of the auxiliary in an interpolation of weights and the factor of a task vector.
    """

    lora_rank: Positive = 8
    lora_alpha: Positive = 16
    adapter_width: Positive = 16
    mix: Annotated[float, Field(gt=0, lt=1)] = 0.1


class Study(Frozen):
    """A whole study, as declared by one params file; with `parts`, its runs are those of all parts together."""

    study: Name
    data: DataConfig = DataConfig()
    inputs: InputsConfig = InputsConfig()
    model: ModelConfig = ModelConfig()
    encoders: dict[Name, EncoderSource]
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    pathway: PathwayConfig = PathwayConfig()
    rivals: RivalsConfig = RivalsConfig()
    tasks: dict[Name, TaskConfig] = {}
    sweep: SweepConfig
    parts: tuple[PartConfig, ...] = ()
    execution: ExecutionConfig = ExecutionConfig()

    @model_validator(mode="after")
    def _targets_exist(self) -> Self:
        for name in self.tasks:
            if name in MODALITIES:
                raise ValueError(f"tasks.{name}: a task must not be named as a modality; choose another name")
        for name in self.sweep.targets:
            if name not in self.tasks and name not in MODALITIES:
                known = ", ".join([*self.tasks, *MODALITIES])
                raise ValueError(f"sweep.targets: there is no task or modality named {name!r}; known: {known}")
        if len({part.name for part in self.parts}) != len(self.parts):
            raise ValueError("parts: two parts have the same name")
        self.expanded()
        return self

    def expanded(self) -> "dict[str, Study]":
        """The studies whose runs together are those of this one, by the name of the part; without parts it is its only one.

        Raises:
            ValueError: a part changes a key that does not exist, or sets an impossible value.

        """
        return {part.name: self._changed(part) for part in self.parts} or {"": self}

    def _changed(self, part: PartConfig) -> "Study":
        raw = self.model_dump(mode="json", exclude={"parts"}, by_alias=True)
        for key, value in part.changes.items():
            *path, last = key.split(".")
            section: object = raw
            for step in path:
                section = section.get(step) if isinstance(section, dict) else None
            if not isinstance(section, dict):
                raise ValueError(f"parts.{part.name}.set.{key}: there is no section {'.'.join(path)!r}")
            section[last] = value
        try:
            return Study.model_validate_json(json.dumps(raw))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ValueError(f"parts.{part.name}.set: {faults}") from error

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
