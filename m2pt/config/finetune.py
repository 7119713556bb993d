"""How a model is fine-tuned and tested."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from m2pt.config.base import Fraction, Frozen, NonNegative, NonNegativeFloat, Positive, PositiveFloat
from m2pt.config.modalities import Augmentation
from m2pt.config.optimizer import OptimizerConfig


class BlocksConfig(Frozen):
    """What fine-tuning adds to the blocks of an encoder; none of it is pretrained."""

    layer_scale: PositiveFloat | None = None
    """Initial value of a learned factor per channel on what each half of a block adds (LayerScale, arXiv 2103.17239); without the
    key there is no factor."""
    relative_positions: bool = False
    """Give attention a learned bias, initially 0, for each head and displacement between two patches, and for the class token;
    each block has its own (BEiT, arXiv 2106.08254)."""
    windows: Annotated[Positive | None, Field(exclude_if=lambda side: side is None)] = None
    """Patches along each side of the windows within which blocks attend, but for four of them, evenly spread (ViTDet, arXiv
    2203.16527); without the key, all blocks attend to all patches. Only for the head `mask_rcnn`."""
    split_positions: Annotated[bool, Field(exclude_if=lambda split: not split)] = False
    """Give attention a learned bias, initially 0, for the displacements of rows and of columns, which depends on the query
    (ViTDet); each block has its own. Only for the head `mask_rcnn`."""


Head = Literal["mean", "class_token", "class_and_max", "part_segmentation", "upernet", "mask_rcnn"]


class TestConfig(Frozen):
    """How a model is tested with more than one view of each sample."""

    __test__: ClassVar[bool] = False  # pytest would collect it because of its name

    clips: Positive = 1
    """Clips of a video; the probabilities of all `clips` × `crops` views are averaged."""
    crops: Positive = 1
    """Crops of each clip of a video."""
    votes: Positive = 1
    """Views of a cloud under random scales, whose logits are averaged; only for classification."""
    stride: Positive | None = None
    """Pixels from one window to the next; a scene is tested window by window."""


class FinetuneConfig(OptimizerConfig):
    """The fine-tuning recipe, the same for every method.

    A batch is the same however it is computed: over several devices, in micro-batches or in one piece.
    """

    batch_size: Positive = 32
    """Samples per optimizer step, over all devices."""
    samples: Positive | Literal["all"] = 500
    """Labelled training samples, drawn from the training split by the run's seed; `all` takes the whole split."""
    epochs: Positive = 13
    """Passes over the training samples."""
    label_smoothing: Fraction = 0.1
    """Label smoothing."""
    drop_path: Fraction = 0.0
    """Stochastic depth: the rate in the last block; it grows linearly from 0 in the first."""
    augment: bool | Augmentation = True
    """Training-time augmentation: `true` or `false` for the embedded data sets' own, or a section with the keys of the modality
    for published data sets."""
    score: Literal["last", "best_val"] = "last"
    """Which weights are tested: those of the last epoch, or of the epoch with the best validation score."""
    optimizer: Literal["adamw", "lars"] = "adamw"
    """AdamW, or LARS as in MAE's linear probing."""
    learning_rate_per: Positive | None = None
    """Scale the learning rate linearly: `learning_rate` × `batch_size` / `learning_rate_per`."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the learning rate of a block for every layer above it."""
    warmup_epochs: NonNegativeFloat | None = None
    """Epochs of the warm-up; replaces `warmup_steps`."""
    warmup_start: NonNegativeFloat = 0.0
    """Learning rate at the start of the warm-up."""
    schedule_by: Literal["step", "epoch"] = "step"
    """Change the learning rate with every step, or with every epoch as Point-MAE's code does (`m2pt.training.schedule`)."""
    schedule_tail: NonNegative = 0
    """Epochs by which the decay ends before the training does; only for `schedule_by: epoch`."""
    undecayed: tuple[Literal["class_token", "class_position", "positions"], ...] = ("class_token", "class_position", "positions")
    """Parameters of the tokenizer without weight decay, in addition to biases and norms."""
    final_learning_rate: NonNegativeFloat = 0.0
    """Learning rate at the end of the decay."""
    decay: Literal["cosine", "linear", "steps"] = "cosine"
    """Shape of the decay; by steps, the rate falls to a tenth after 8/9 and to a hundredth after 26/27 of the training."""
    loss: Literal["cross_entropy", "binary_cross_entropy"] = "cross_entropy"
    """Cross-entropy, or binary cross-entropy for several labels per sample."""
    mixup: NonNegativeFloat = 0.0
    """Alpha of mixup (arXiv 1710.09412); 0 turns it off."""
    cutmix: NonNegativeFloat = 0.0
    """Alpha of cutmix (arXiv 1905.04899); 0 turns it off."""
    mixing_rows: Annotated[int, Field(gt=0, multiple_of=2)] | None = None
    """Rows of a batch that share one draw of mixup or cutmix; without the key, all of them."""
    norm_rows: Annotated[int, Field(gt=1)] | None = None
    """Rows of a batch over which the batch norm of the head `class_token` takes its statistics; without the key, all of them."""
    head: Head = "mean"
    """What the classifier sees of the encoder's tokens."""
    head_init_std: PositiveFloat = 0.02
    """Standard deviation of the initial weights of the head's last layer; only for classification."""
    side_loss: NonNegativeFloat = 0.0
    """Weight of the loss of UperNet's second, fully convolutional head, which exists in training only; 0 for no such head."""
    blocks: BlocksConfig = BlocksConfig()
    """What is added to the blocks."""
    repeats: Positive = 1
    """How often a sample is repeated in its batch, differently augmented each time (of a video, the same clip)."""
    weighted: bool = False
    """Draw `epoch_samples` samples per epoch by the inverse frequency of their classes."""
    replacement: bool = False
    """Draw them with replacement."""
    epoch_samples: Positive | None = None
    """Samples per epoch of a weighted draw; without the key, as many as there are."""
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights, which is then what is tested; without the key there is none."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of the forward and backward pass."""
    compiled: bool = False
    """Compile the model with `torch.compile`."""
    test: TestConfig = TestConfig()
    """How the model is tested."""

    @property
    def mixes_before(self) -> bool:
        """Whether samples are mixed with each other while they are read, before they are put into a batch."""
        return not isinstance(self.augment, bool) and self.augment.mixes

    @property
    def mixes(self) -> bool:
        """Whether samples of a batch are mixed with each other."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def rows_together(self) -> int | None:
        """How many rows of a batch must be computed together; None if all must be."""
        return self.norm_rows or (self.mixing_rows if self.mixes else None)

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.norm_rows is not None and self.head != "class_token":
            yield f"norm_rows: is for the head class_token, not for {self.head}; leave it out"
        elif self.norm_rows is not None and self.mixes and self.mixing_rows is None:
            yield f"norm_rows: {self.norm_rows} must be a multiple of mixing_rows, which is not set; set it too"
        elif self.norm_rows is not None and self.mixes and self.mixing_rows is not None and self.norm_rows % self.mixing_rows:
            yield f"norm_rows: {self.norm_rows} must be a multiple of mixing_rows ({self.mixing_rows})"
        if self.schedule_by == "epoch" and self.warmup_epochs is None:
            yield "schedule_by: epoch needs warmup_epochs; set that, or leave this out"
        if self.schedule_tail and self.schedule_by == "step":
            yield "schedule_tail: is for schedule_by: epoch; set that, or leave this out"
        elif self.schedule_tail and self.schedule_tail >= self.epochs:
            yield f"schedule_tail: {self.schedule_tail} must be less than epochs ({self.epochs})"
