"""The record of a run: its scores and what they belong to. This file declares the schema of `record.json`.

Records of older code lack the fields that have a default here; the default says that the fact was not recorded.

A record vouches for the run: `files` has the SHA-256 of everything that the run keeps, and `seal` that of the record itself, so
that no bit of a complete run changes unnoticed (`m2pt.runs.seal`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, overload

from pydantic import Field, RootModel, SerializerFunctionWrapHandler, model_serializer, model_validator

from m2pt.config import Frozen, Modality, UserError
from m2pt.files.documents import json_bytes, model_of, read_bytes, write_atomic
from m2pt.runs.folder import ENCODER, MERGED, RECORD, SPEC, anew
from m2pt.runs.lineage import Lineage
from m2pt.runs.seal import WEIGHTS, digests, is_sealed, sealed

Percent = Annotated[float, Field(ge=0, le=100 + 1e-6)]
"""A score in percent, which the rounding of a mean may push beyond 100 by its last bits."""


class Counts(Frozen):
    """The samples of one split. With held-out validation data, the training split's list is divided between `train` and `val`."""

    listed: int
    """Samples in the data set's list."""

    absent: int = 0
    """Listed samples without a file; they are left out."""

    unreadable: int | None = 0
    """Samples whose file cannot be read; they are left out. None: not checked yet, never in a record."""

    @property
    def left_out(self) -> int:
        """The number of samples left out, as far as it is known."""
        return self.absent + (self.unreadable or 0)

    @property
    def kept(self) -> int:
        """The number of samples that remain, as far as it is known."""
        return self.listed - self.left_out

    @property
    def words(self) -> str:
        """What is left out, in words: `18 of 24 samples (18 absent, 0 unreadable)`."""
        unreadable = "readability not checked yet" if self.unreadable is None else f"{self.unreadable} unreadable"
        return f"{self.left_out} of {self.listed} samples ({self.absent} absent, {unreadable})"

    @model_serializer(mode="wrap")
    def _with_kept(self, fields: SerializerFunctionWrapHandler) -> dict[str, int | None]:
        """A record holds `kept` too, so that nobody has to subtract."""
        return {**fields(self), "kept": self.kept}

    @model_validator(mode="before")
    @classmethod
    def _without_kept(cls, document: Any) -> Any:
        return {key: value for key, value in document.items() if key != "kept"} if isinstance(document, Mapping) else document


class LoadedFile(Frozen):
    """How one file of weights was read (`m2pt.weights.LoadedWeights`)."""

    role: Literal["target", "auxiliary"]
    source: str
    """The encoder's name in the study file."""

    modality: Modality
    layout: str
    """The published layout of the file."""

    weights: str
    """`raw` for the trained weights, `ema` for their moving average."""

    wrapper: str | None
    """The entry of the file that held the weights; None if they were at the top level."""

    beside: tuple[str, ...]
    """Other entries with weights that were not read."""

    precisions: tuple[str, ...]
    """Number formats of the stored weights, e.g. `float16`."""

    norm_epsilon: float | None
    """Epsilon of the norms; None where it is the usual one."""

    zero: tuple[str, ...]
    """Biases that the layout lacks and that are therefore zero."""

    fresh: tuple[str, ...]
    """Tensors that the file lacks and that keep their initialisation."""

    positions: str | None
    """How the position embeddings were resized; None if they were not."""

    assumed: Annotated[tuple[str, ...], Field(exclude_if=lambda assumed: not assumed)] = ()
    """What neither the file nor anything beside it says, such as the number of heads."""

    left: Annotated[tuple[str, ...] | None, Field(exclude_if=lambda left: left is None)] = None
    """Keys of the file that the target's model has no place for; None for an auxiliary."""


class Merge(Frozen):
    """The proof that a pathway was merged into a plain model."""

    max_logit_difference: float
    """Largest absolute difference of an output before and after the merge."""

    parameters: int
    """Parameters of the merged model."""

    plain_parameters: int
    """Parameters of a plain model of the same configuration."""


class _Record(Frozen):
    """What the records of both kinds of run hold."""

    run_id: str
    metric: str
    """The name of the main score, e.g. `accuracy`."""

    val_score: float | None
    """Main score on validation data, in percent (the loss for `reconstruction_loss`); None without validation data."""

    parameters: int
    """Parameters of the final model: merged where the method merges; of the encoder alone for a pretraining."""

    files: dict[str, str]
    """SHA-256 of each file that the run keeps, by its name in the run's folder; in records of older code of the weights alone."""

    seal: Annotated[str | None, Field(exclude_if=lambda seal: seal is None)] = None
    """SHA-256 of the record's own file, with nothing in the place of these digits; None in records of older code."""


class PretrainRecord(_Record):
    """The record of a pretraining."""

    kind: Literal["pretrain"]
    val_score: float
    """Accuracy in percent for training with labels, mean loss for masked autoencoding; on validation data."""

    @property
    def encoder_sha256(self) -> str:
        """SHA-256 of the encoder's file."""
        return self.files[ENCODER]


class FinetuneRecord(_Record):
    """The record of a fine-tuning: everything that tables, figures and sentences of a report are made from."""

    kind: Literal["finetune"]
    score: Literal["last", "best_val"]
    """Which weights are scored: those of the last epoch, or those of the best validation score."""

    epoch: int
    """The epoch of the scored weights, from 1."""

    test_score: Percent
    """Main score on test data, in percent."""

    test_scores: dict[str, Percent]
    """All scores on test data, in percent, by name."""

    train_samples: int | None = None
    """Samples trained with, after the draw of `finetune.samples`."""

    val_samples: int
    """Samples of the validation score; 0 without validation data."""

    test_samples: int
    """Samples of the test score."""

    samples: dict[str, Counts] = Field(default_factory=dict)
    """By split: what the data set lists, and what was left out, before any draw."""

    samples_sha256: str | None = None
    """Equal for runs that chose from, and were scored on, exactly the same samples."""

    test_samples_sha256: str | None = None
    """SHA-256 of the file with what each test sample scored (`m2pt.runs.sample_scores`); None where the score is no mean over
    samples, and in records of older code."""

    loaded: tuple[LoadedFile, ...] = ()
    """How each file of weights was read."""

    skipped: tuple[str, ...] = ()
    """A sentence for each sample that was left out."""

    classes: tuple[str, ...]
    """Names of the classes (of part segmentation: of the parts), in the order of the outputs."""

    confusion: tuple[tuple[int, ...], ...] | None
    """Test samples by [true class][predicted class]; None with many classes, and for tagging and segmentation."""

    scales: dict[str, float]
    """Final value of each scale by name; under `NAME/abs_mean` the mean size if it has several entries. Empty without any."""

    effective_sizes: dict[str, float]
    """Final effective size |scale| * |auxiliary weight| / |weight| of each scale, by name."""

    scale_abs_max: float | None = None
    """Size of the largest entry of all scales; None without a pathway, and in records of older code."""

    scale_abs_mean: float | None
    """Mean size of the values of `scales`; None without a pathway."""

    effective_size_mean: float | None
    """Mean of `effective_sizes`; None without a pathway."""

    trainable_parameters: int
    """Parameters that had gradients during training."""

    merge: Merge | None
    """The proof of the merge; None where the method merges nothing."""

    lineage: Annotated[Lineage | None, Field(exclude_if=lambda lineage: lineage is None)] = None
    """Whether target and auxiliary go on from a common encoder; None without an auxiliary, and in records of older code."""

    @property
    def merged_sha256(self) -> str | None:
        """SHA-256 of the file of the final model."""
        return self.files.get(MERGED)

    @property
    def largest_scale(self) -> float:
        """Size of the largest scale; from records of older code, that of the largest recorded value."""
        known = self.scale_abs_max
        return max(abs(value) for value in self.scales.values()) if known is None else known


Record = FinetuneRecord | PretrainRecord
R = TypeVar("R", FinetuneRecord, PretrainRecord)


class _AnyRecord(RootModel[Annotated[Record, Field(discriminator="kind")]]):
    """A record of either kind."""


def write_record(run_dir: Path, record: Record) -> None:
    """Write a run's record: from then on the run is complete, and its record vouches for every file that it keeps.

    Raises:
        UserError: as `write_atomic`; or a kept file cannot be read.

    """
    weights = {name: sha256 for name, sha256 in record.files.items() if name in WEIGHTS}
    vouching = record.model_copy(update={"files": digests(run_dir) | weights, "seal": ""})
    write_atomic(run_dir / RECORD, sealed(json_bytes(vouching.model_dump(mode="json"))))


@overload
def read_record(run_dir: str | Path) -> Record: ...


@overload
def read_record(run_dir: str | Path, kind: type[R]) -> R: ...


def read_record(run_dir: str | Path, kind: type[R] | None = None) -> Record:
    """The record of a complete run; `kind` is its type, where the caller knows it.

    Raises:
        UserError: it cannot be read, is damaged, or is the record of another run or kind.

    """
    path = Path(run_dir) / RECORD
    remedy, content = anew(path.parent), read_bytes(path)
    record = model_of(content, path, _AnyRecord, remedy).root if kind is None else model_of(content, path, kind, remedy)
    if (record.seal is not None or SPEC in record.files) and not is_sealed(content):
        raise UserError(f"{path}: was changed after the run wrote it (its seal does not fit); {remedy}.")
    if record.run_id != path.resolve().parent.name:
        raise UserError(f"{path}: is the record of {record.run_id}; a run's folder bears its id: restore the name, or run again.")
    return record
