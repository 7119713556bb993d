"""What a run is: its full specification, the canonical form of it, and the id that ends in the hash of that form.

Everything that can change a result is in a spec: resolved settings (defaults included), the content of the data, the content
of the weights, and `RECIPE_VERSION`. Where the run happens (device, paths, workers) is not.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from m2pt.config import (
    Dataset,
    FinetuneConfig,
    Frozen,
    Goal,
    InputConfig,
    LabelPretrain,
    MaePretrain,
    MethodName,
    Modality,
    ModelConfig,
    PathwayConfig,
    Reading,
    RivalsConfig,
    Setting,
    Tuning,
)

RECIPE_VERSION = 3
"""Raise this whenever a change of the code changes the numbers that an unchanged spec leads to."""


METRICS: dict[Goal, str] = {
    "classification": "accuracy",
    "tagging": "map",
    "part_segmentation": "miou_instance",
    "semantic_segmentation": "miou",
}
"""The main score of each goal."""


class WeightsRef(Frozen):
    """The weights of one encoder: which source, of which modality, and the SHA-256 of the file (None: not made yet).

    `reading` is what the study says of how the file is to be read, where it says anything.
    """

    source: str
    modality: Modality
    sha256: str | None
    reading: Annotated[Reading | None, Field(exclude_if=lambda reading: reading is None)] = None


class TaskSpec(Frozen):
    """A published data set and what is done with it; the names are those of `m2pt.config.TaskConfig`."""

    dataset: Dataset
    goal: Goal
    variant: str | None
    recipe: str
    holdout: float
    unreadable: Literal["fail", "skip"]
    max_unreadable: float | None = None


class RunSpec(Frozen):
    """One fine-tuning of one model; a random encoder has no `WeightsRef`.

    `more_weights` are those of further encoders that a method takes: other auxiliaries, or what the auxiliary was trained from.
    `target` is a modality, for the classification of its small data (`task` is None then), or the name of a task.
    """

    kind: Literal["finetune"] = "finetune"
    target: str
    modality: Modality
    task: TaskSpec | None = None
    auxiliary: str = Field(description="a modality, 'random', or '' for none")
    method: MethodName
    setting: Setting
    tuning: Tuning
    seed: int
    input: InputConfig
    model: ModelConfig
    finetune: FinetuneConfig
    pathway: PathwayConfig | None
    rivals: RivalsConfig | None = None
    data_sha256: str
    target_weights: WeightsRef | None
    auxiliary_weights: WeightsRef | None
    more_weights: tuple[WeightsRef, ...] = ()

    @property
    def name(self) -> str:
        """The readable part of the id."""
        origin = f"{self.target}-from-{self.auxiliary}" if self.auxiliary else self.target
        return f"{origin}-{self.method}-{self.setting}-{self.tuning}-s{self.seed}"

    @property
    def goal(self) -> Goal:
        """What the model is trained for."""
        return self.task.goal if self.task else "classification"

    @property
    def metric(self) -> str:
        """The name of the score by which runs are compared and epochs chosen."""
        return "miou" if self.task and self.task.dataset == "partnet" else METRICS[self.goal]

    @property
    def auxiliary_refs(self) -> tuple[WeightsRef, ...]:
        """The weights of all encoders beside the target's."""
        return () if self.auxiliary_weights is None else (self.auxiliary_weights, *self.more_weights)

    @property
    def ready(self) -> bool:
        """Whether all weights exist, so that the spec has its id."""
        refs = (self.target_weights, self.auxiliary_weights, *self.more_weights)
        return all(ref is None or ref.sha256 is not None for ref in refs)


class PretrainSpec(Frozen):
    """One pretraining of one encoder. `start` is the encoder it goes on from (kind `labels`)."""

    kind: Literal["pretrain"] = "pretrain"
    modality: Modality
    source: str
    seed: int
    input: InputConfig
    model: ModelConfig
    pretrain: MaePretrain | LabelPretrain
    data_sha256: str
    start: WeightsRef | None

    @property
    def name(self) -> str:
        """The readable part of the id."""
        return f"{self.modality}-{self.source.replace('+', '-')}-s{self.seed}"

    @property
    def ready(self) -> bool:
        """Whether the encoder it starts from exists."""
        return self.start is None or self.start.sha256 is not None


Spec = RunSpec | PretrainSpec


def canonical(value: Any) -> str:
    """The canonical JSON of plain data: sorted keys, no spaces, shortest floats.

    Raises:
        TypeError: the value holds something without a canonical form.
        ValueError: the value holds NaN or an infinity.

    """
    _refuse_unknown(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def _refuse_unknown(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key must be a string, not {type(key).__name__}")
            _refuse_unknown(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_unknown(item)
    elif value is not None and not isinstance(value, str | bool | int | float):
        raise TypeError(f"{type(value).__name__} has no canonical form")


def run_id(spec: Spec) -> str:
    """The id of a run: its readable name and eight hexadecimal digits of the SHA-256 of its canonical form.

    Raises:
        ValueError: weights that the spec names do not exist yet.

    """
    if not spec.ready:
        raise ValueError(f"{spec.name}: the weights it needs do not exist yet, so it has no id")
    form = canonical({"recipe_version": RECIPE_VERSION, "spec": spec.model_dump(mode="json")})
    return f"{spec.name}-{hashlib.sha256(form.encode()).hexdigest()[:8]}"


def cell_key(spec: RunSpec) -> str:
    """Equal for the runs of one study that differ by seed alone (same readable name without its seed)."""
    return spec.name.rpartition("-s")[0]


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose (split, order of epoch 3, ...), independent between purposes and stable over platforms."""
    return int.from_bytes(hashlib.sha256(canonical([seed, *purpose]).encode()).digest()[:8], "big") >> 1
