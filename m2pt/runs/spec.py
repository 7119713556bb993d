"""What a run is: everything that can change its result.

Resolved settings (defaults included), the content of the data and the content of the weights. Where the run happens (device,
paths, workers) is not part of it.
"""

import functools
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from m2pt.config import (
    Dataset,
    FilesConfig,
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
    ProceduralPretrain,
    Reading,
    RivalsConfig,
    Setting,
    Tuning,
)
from m2pt.config.base import Same
from m2pt.runs.plugins import PluginCode

Plugins = Annotated[tuple[PluginCode, ...], Field(exclude_if=lambda plugins: not plugins)]
"""The code of the plugins whose modality, data set or method a run has; without such names there is no such field."""

METRICS: dict[Goal, str] = {
    "classification": "accuracy",
    "tagging": "map",
    "part_segmentation": "miou_instance",
    "semantic_segmentation": "miou",
    "instance_segmentation": "ap_box",
}
"""The main score of each goal."""


class EncoderKey(NamedTuple):
    """An encoder of a study: the name of its source, its modality, and its pretraining seed where the source has several."""

    source: str
    modality: Modality
    seed: int | None = None


class WeightsRef(Frozen):
    """The weights of one encoder: which source, of which modality, and the SHA-256 of the file (None: not made yet).

    `seed` is the pretraining seed of a source that has several. `reading` is how the study says that the file is to be read, if
    it says so.
    """

    source: str
    modality: Modality
    sha256: str | None
    seed: Annotated[int | None, Field(exclude_if=lambda seed: seed is None)] = None
    reading: Annotated[Reading | None, Field(exclude_if=lambda reading: reading is None)] = None

    @property
    def key(self) -> EncoderKey:
        """Which encoder of the study it is."""
        return EncoderKey(self.source, self.modality, self.seed)


class TaskSpec(Frozen):
    """A published data set, or one's own files, and what is done with it; the names are those of `m2pt.config.TaskConfig`."""

    dataset: Dataset
    goal: Goal
    variant: str | None
    recipe: str
    holdout: float
    unreadable: Literal["fail", "skip"]
    max_unreadable: float | None = None
    files: Annotated[FilesConfig | None, Field(exclude_if=lambda files: files is None)] = None


class AuxiliaryData(Frozen):
    """Labelled samples of the auxiliary's modality, which some methods train with: the train split of its small data."""

    input: InputConfig
    sha256: str


class RunSpec(Frozen):
    """One fine-tuning of one model; a random encoder has no `WeightsRef`.

    `more_weights` are those of further encoders that a method takes: other auxiliaries, or what the auxiliary was trained from.
    `replicate` counts the pretraining seeds of the study's encoders, if some have several: the run uses that one of each.
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
    replicate: Annotated[int | None, Field(exclude_if=lambda replicate: replicate is None)] = None
    input: InputConfig
    model: ModelConfig
    finetune: FinetuneConfig
    pathway: PathwayConfig | None
    rivals: RivalsConfig | None = None
    data_sha256: str
    target_weights: WeightsRef | None
    auxiliary_weights: WeightsRef | None
    more_weights: tuple[WeightsRef, ...] = ()
    auxiliary_data: Annotated[AuxiliaryData | None, Field(exclude_if=lambda data: data is None)] = None
    plugins: Plugins = ()

    @property
    def name(self) -> str:
        """The readable part of the id."""
        origin = f"{self.target}-from-{self.auxiliary}" if self.auxiliary else self.target
        encoders = "" if self.replicate is None else f"-e{self.replicate}"
        return f"{origin}-{self.method}-{self.setting}-{self.tuning}{encoders}-s{self.seed}"

    @property
    def goal(self) -> Goal:
        """What the model is trained for."""
        return self.task.goal if self.task else "classification"

    @property
    def metric(self) -> str:
        """The name of the score by which runs are compared and epochs chosen."""
        return "miou" if self.task and self.task.dataset == "partnet" else METRICS[self.goal]

    @property
    def auxiliary_model(self) -> ModelConfig:
        """The size of the encoders that the method takes besides the target's."""
        return self.pathway.mapping.model if self.pathway and self.pathway.mapping else self.model

    @property
    def auxiliary_refs(self) -> tuple[WeightsRef, ...]:
        """The weights of all encoders other than the target's."""
        return () if self.auxiliary_weights is None else (self.auxiliary_weights, *self.more_weights)

    @property
    def ready(self) -> bool:
        """Whether all weights exist, so that the spec has its id."""
        refs = (self.target_weights, self.auxiliary_weights, *self.more_weights)
        return all(ref is None or ref.sha256 is not None for ref in refs)


def without_draw(spec: RunSpec) -> RunSpec:
    """A spec with seed 0 and the first replicate: equal for runs that differ by seed and replicate alone.

    The weights of a replicate are replaced by a reference without a file, because each replicate has its own.
    """
    return spec.model_copy(update=undrawn(spec))


def undrawn(spec: RunSpec) -> dict[str, Any]:
    """The values in which `without_draw(spec)` differs from the spec, by their fields."""
    if spec.replicate is None:
        return {"seed": 0}
    target, auxiliary, more = spec.target_weights, spec.auxiliary_weights, spec.more_weights
    return {
        "seed": 0,
        "replicate": 0,
        "target_weights": _of_any_replicate(target) if target else None,
        "auxiliary_weights": _of_any_replicate(auxiliary) if auxiliary else None,
        "more_weights": tuple(map(_of_any_replicate, more)),
    }


def _of_any_replicate(reference: WeightsRef) -> WeightsRef:
    return _copied(Same(reference)) if reference.seed is not None else reference


@functools.lru_cache(maxsize=2**12)  # runs share their references
def _copied(same: Same[WeightsRef]) -> WeightsRef:
    return same.value.model_copy(update={"seed": 0, "sha256": ""})


class PretrainSpec(Frozen):
    """One pretraining of one encoder. `start` is the encoder it continues from (kind `labels`).

    A procedural pretraining reads no data: its `data_sha256` is empty, and its `modality` only tells its draws apart from others.
    """

    kind: Literal["pretrain"] = "pretrain"
    modality: Modality
    source: str
    seed: int
    input: InputConfig
    model: ModelConfig
    pretrain: MaePretrain | LabelPretrain | ProceduralPretrain
    data_sha256: str
    start: WeightsRef | None
    samples: Annotated[Literal["real", "noise"], Field(exclude_if=lambda samples: samples == "real")] = "real"
    labels: Annotated[Literal["real", "random"], Field(exclude_if=lambda labels: labels == "real")] = "real"
    plugins: Plugins = ()

    @property
    def name(self) -> str:
        """The readable part of the id."""
        return f"{self.modality}-{self.source.replace('+', '-')}-s{self.seed}"

    @property
    def reads_data(self) -> bool:
        """Whether it is trained with samples of its modality, or with noise like them."""
        return not isinstance(self.pretrain, ProceduralPretrain)

    @property
    def ready(self) -> bool:
        """Whether the encoder it starts from exists."""
        return self.start is None or self.start.sha256 is not None


Spec = RunSpec | PretrainSpec
