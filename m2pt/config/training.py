"""How models are trained: encoders of one's own, and fine-tuning with its augmentations and tests."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from m2pt.config.base import Fraction, Frozen, Modality, Name, NonNegative, NonNegativeFloat, Positive, PositiveFloat


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


LayoutName = Literal["mae", "audiomae", "point-mae", "videomae", "m2pt-zoo", "timm", "hf-vit", "hf-videomae", "m2pt"]
"""The layouts in which weights are read: `m2pt.weights.layouts` says what each is."""

Weights = Literal["raw", "ema"]
"""The weights that were trained, or their moving average."""


class Reading(Frozen):
    """What a file of weights is, where the file itself leaves it open; each key is refused where the file says otherwise.

    `layout` decides where two layouts fit; `weights` where a file has the trained weights and their moving average (the trained
    ones are read where it is not set). `grid` is that of the stored positions, as the layout counts it, where they must be
    brought to another size and are of no grid that the layout defines: rows and columns of a picture, time and frequency of a
    sound (of AudioMAE frequency and time), frames, rows and columns of a clip, all in patches.
    """

    layout: LayoutName | None = None
    weights: Weights | None = None
    grid: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=3)] | None = None


class FileSource(Frozen):
    """Encoders from files: one path per modality, in any published layout (`m2pt.weights`), a file or a folder.

    `reading` says of single modalities how their file is to be read, where the file leaves that open. `epochs` says for how long
    they were pretrained, where that differs from the usual: a report names it and compares by it.
    """

    kind: Literal["file"]
    paths: dict[Modality, str]
    reading: Annotated[dict[Modality, Reading], Field(exclude_if=lambda reading: not reading)] = Field(default_factory=dict)
    epochs: Positive | None = None

    @model_validator(mode="after")
    def _read_what_is_there(self) -> Self:
        for modality in self.reading:
            if modality not in self.paths:
                raise ValueError(f"reading.{modality}: there is no path of this modality; add paths.{modality} or remove the key")
        return self


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

    The box of a crop that does not fit into the picture is drawn `again`, or it is drawn `once` and cut at the edges. For scenes
    with a label per pixel: random rescaling by `scene_scale`, crop, flip, photometric distortion.
    """

    kind: Literal["image"] = "image"
    crop_scale: tuple[PositiveFloat, PositiveFloat] = (0.08, 1.0)
    crop_draw: Literal["again", "once"] = "again"
    flip: float = 0.5
    policy: str | None = None
    color_jitter: NonNegativeFloat = 0.0
    erasing: Fraction = 0.0
    scene_scale: tuple[PositiveFloat, PositiveFloat] | None = None


class AudioAugment(Frozen):
    """Training-time changes of a sound: waveform mixup, `roll` (it starts elsewhere, its beginning after its end), `level` (times
    0.5 to 1.5), noise, SpecAugment masks (in bins and frames), dropped patches.
    """

    kind: Literal["audio"] = "audio"
    mixup: Fraction = 0.0
    roll: bool = False
    level: bool = False
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


class BlocksConfig(Frozen):
    """What fine-tuning adds to the blocks of an encoder, none of which was pretrained.

    `layer_scale`: what each half of a block adds is multiplied by a learned factor for each channel, from this value on
    (LayerScale, arXiv 2103.17239). `relative_positions`: attention has a learned bias for each head and displacement between two
    patches, and for the class token, from zero on; every block has its own (BEiT, arXiv 2106.08254).
    """

    layer_scale: PositiveFloat | None = None
    relative_positions: bool = False


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
    by `layer_decay` for every layer above it. The rate rises from `warmup_start` over `warmup_epochs`, which stand in for
    `warmup_steps` where they are set, and falls to `final_learning_rate`, with every step; or with every epoch, as Point-MAE's
    code does it (`m2pt.training.schedule`), and ends `schedule_tail` epochs before the training. `undecayed` names what of the
    tokenizer weight decay spares beside biases and norms.

    Each of the `batch_size` samples of a batch stands there `repeats` times in a row, differently augmented (of a video, the same
    clip); `weighted` draws `epoch_samples` by the inverse frequency of their classes, with `replacement` or without. A batch is
    the same however it is computed: `mixing_rows` rows of it (None: all) share a draw of `mixup` or `cutmix`, and batch norm in
    the head `class_token` sees `norm_rows` rows at once (None: all).

    `side_loss` is the weight of the loss of UperNet's second, fully convolutional head, which is there in training alone.
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
    warmup_start: NonNegativeFloat = 0.0
    schedule_by: Literal["step", "epoch"] = "step"
    schedule_tail: NonNegative = 0
    undecayed: tuple[Literal["class_token", "class_position", "positions"], ...] = ("class_token", "class_position", "positions")
    final_learning_rate: NonNegativeFloat = 0.0
    decay: Literal["cosine", "linear"] = "cosine"
    loss: Literal["cross_entropy", "binary_cross_entropy"] = "cross_entropy"
    mixup: NonNegativeFloat = 0.0
    cutmix: NonNegativeFloat = 0.0
    mixing_rows: Annotated[int, Field(gt=0, multiple_of=2)] | None = None
    norm_rows: Annotated[int, Field(gt=1)] | None = None
    head: Head = "mean"
    head_init_std: PositiveFloat = 0.02
    side_loss: NonNegativeFloat = 0.0
    blocks: BlocksConfig = BlocksConfig()
    repeats: Positive = 1
    weighted: bool = False
    replacement: bool = False
    epoch_samples: Positive | None = None
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compiled: bool = False
    test: TestConfig = TestConfig()

    @property
    def mixes(self) -> bool:
        """Whether samples of a batch are mixed with each other."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def rows_together(self) -> int | None:
        """How many rows of a batch belong together wherever it is computed; None where all do."""
        return self.norm_rows or (self.mixing_rows if self.mixes else None)

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        if self.norm_rows is None:
            return self
        if self.head != "class_token":
            raise ValueError(f"norm_rows is for the head class_token, not for {self.head}")
        if self.mixes and (self.mixing_rows is None or self.norm_rows % self.mixing_rows):
            raise ValueError(f"norm_rows ({self.norm_rows}) must be a multiple of mixing_rows ({self.mixing_rows})")
        return self

    @model_validator(mode="after")
    def _epochs_fit(self) -> Self:
        if self.schedule_by == "epoch" and self.warmup_epochs is None:
            raise ValueError("schedule_by: epoch needs warmup_epochs")
        if self.schedule_tail and (self.schedule_by == "step" or self.schedule_tail >= self.epochs):
            raise ValueError("schedule_tail is for schedule_by: epoch, and must be less than epochs")
        return self
