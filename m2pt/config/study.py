"""A whole study: its tasks, its grid, how it is executed."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator
from pydantic_core import ErrorDetails

from m2pt.config.base import (
    MODALITIES,
    RANDOM,
    Fraction,
    Frozen,
    Modality,
    Name,
    NonNegative,
    Positive,
    PositiveFloat,
    Setting,
    Tuning,
)
from m2pt.config.encoders import EncoderSource, LabelsSource, MaeSource
from m2pt.config.inputs import DataConfig, InputsConfig, ModelConfig
from m2pt.config.methods import CORE_METHODS, MethodName, PathwayConfig, RivalsConfig
from m2pt.config.search import SearchConfig
from m2pt.config.training import FinetuneConfig, PretrainConfig

Dataset = Literal[
    "imagenet", "webdataset", "ade20k",
    "audioset", "esc50", "speech-commands",
    "modelnet40", "scanobjectnn", "shapenetpart", "partnet",
    "kinetics",
]  # fmt: skip
Goal = Literal["classification", "tagging", "part_segmentation", "semantic_segmentation"]


MOST_UNREADABLE = 0.01
"""The share of a split that a task may leave out where it skips and does not say how much."""


class TaskConfig(Frozen):
    """A target that is more than a modality: a published data set in its published files, with the recipes to train for it.

    A listed sample without a file ends a run before it starts, and one that cannot be read ends it where it is met; with
    `unreadable: skip` both are left out from the start and counted.
    """

    modality: Modality
    """The modality of the samples."""
    dataset: Dataset
    """The data set, by the name of its reader."""
    goal: Goal = "classification"
    """What is predicted."""
    path: str
    """The folder of the data set, below `data.root`."""
    variant: str | None = None
    """Which form or split of the data set, where it has several."""
    recipes: Annotated[dict[Tuning, Name], Field(min_length=1)]
    """The recipe for each tuning that the task is run in, by name (`m2pt/modalities/<modality>/recipes.py`)."""
    finetune: dict[str, JsonValue] = Field(default_factory=dict)
    """Values that replace those of the recipe, with the keys of `finetune`."""
    input: dict[str, JsonValue] = Field(default_factory=dict)
    """Values that replace those of the recipe's input, with the keys of `inputs.<modality>`."""
    holdout: Fraction = 0.0
    """Share of the training split that is kept as validation data, where the data set has none."""
    unreadable: Literal["fail", "skip"] = "fail"
    """End a run at a sample that is missing or cannot be read, or skip and count it."""
    max_unreadable: Fraction | None = None
    """Largest share of each split that may be skipped; without the key, 0.01."""

    @model_validator(mode="after")
    def _skips(self) -> Self:
        if self.max_unreadable is not None and self.unreadable == "fail":
            raise ValueError(
                "max_unreadable says how much may be skipped, but nothing is: set unreadable to skip, or leave it out"
            )
        return self

    @property
    def most_unreadable(self) -> float | None:
        """The largest share of a split that may be left out; None where nothing may."""
        return None if self.unreadable == "fail" else MOST_UNREADABLE if self.max_unreadable is None else self.max_unreadable


class SweepConfig(Frozen):
    """The grid: the runs of a study.

    `pathway` runs every pair of different modalities of `targets` × `auxiliaries`; the list of methods says what the others take.
    """

    seeds: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    """Seeds of the runs; each method is run with all of them, so that differences can be paired."""
    targets: Annotated[tuple[Name, ...], Field(min_length=1)] = MODALITIES
    """Modalities, for their small data in `<data.root>/<modality>`, or names of tasks."""
    auxiliaries: tuple[Modality, ...] = MODALITIES
    """Modalities of the auxiliary encoders."""
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = CORE_METHODS
    """The methods, by name (the table of methods says what each is)."""
    settings: Annotated[tuple[Setting, ...], Field(min_length=1)] = ("pretrained",)
    """Whether targets start from `target_encoder` or from scratch."""
    tunings: Annotated[tuple[Tuning, ...], Field(min_length=1)] = ("full",)
    """Train all weights (`full`), or only scales and head (`fix`)."""
    target_encoder: Name = "mae"
    """The encoder that pretrained targets start from: a name of `encoders`, or `random`."""
    auxiliary_encoder: Name = "mae"
    """The encoder that auxiliaries come from: a name of `encoders`, or `random`."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for key in ("seeds", "targets", "auxiliaries", "methods", "settings", "tunings"):
            values = getattr(self, key)
            if len(set(values)) != len(values):
                raise ValueError(f"{key} must not repeat a value")
        return self


class PartConfig(Frozen):
    """A part of a study: the whole file with some values changed."""

    name: Name
    """Name of the part."""
    changes: dict[str, JsonValue] = Field(default_factory=dict, alias="set")
    """New values by dotted key (`set: {pathway.order: reversed}`)."""


class ExecutionConfig(Frozen):
    """How runs are executed; nothing here can change a number, so nothing here is part of a run's identity."""

    devices: Literal["auto", "cpu"] | tuple[str, ...] = "auto"
    """Every CUDA device, or CPU slots where there is none (`auto`); `cpu`; or a list of CUDA devices by name."""
    jobs_per_device: Positive = 1
    """Jobs at once on each CUDA device."""
    slots: Literal["auto"] | Positive = "auto"
    """Jobs at once on the CPU; `auto` is one per usable core."""
    time_limit_s: PositiveFloat = 3600.0
    """Seconds after which a run is stopped."""
    checkpoint_every_epochs: Positive = 1
    """Epochs from one checkpoint to the next."""
    checkpoint_every_steps: Positive | None = None
    """Also write a checkpoint after this number of steps within an epoch."""
    devices_per_job: Positive = 1
    """Devices that train one model; the result is the same up to the order of sums."""
    micro_batch: Positive | None = None
    """Most samples that a device computes at once; a group of `finetune.norm_rows` is never split. The result is the same
    up to the order of sums."""
    gradient_checkpointing: bool = False
    """Compute activations again for the gradient, to save memory."""
    loader_workers: NonNegative = 0
    """Processes that read files, for each device."""
    other_environment: Literal["refuse", "redo", "mix"] = "refuse"
    """If complete runs were computed with other source code, packages or kind of device: `refuse` to put new ones next to
    them, `redo` all of them here (the old ones are kept), or `mix` them (the report names every group)."""


class Study(Frozen):
    """A whole study, as declared by one params file; with `parts`, its runs are those of all parts together."""

    study: Name
    """Name of the study, and of its folders."""
    data: DataConfig = DataConfig()
    """Where the data are."""
    inputs: InputsConfig = InputsConfig()
    """The form in which samples reach the tokenizers."""
    model: ModelConfig = ModelConfig()
    """The encoder."""
    encoders: dict[Name, EncoderSource]
    """Named sources of encoder weights; `random` always exists."""
    pretrain: PretrainConfig = PretrainConfig()
    """How the encoders that are made here are trained."""
    finetune: FinetuneConfig = FinetuneConfig()
    """The recipe of targets that are modalities; a task has its own."""
    pathway: PathwayConfig = PathwayConfig()
    """The Multimodal Pathway."""
    rivals: RivalsConfig = RivalsConfig()
    """Settings of rival methods."""
    tasks: dict[Name, TaskConfig] = Field(default_factory=dict)
    """Targets on published data sets, by name."""
    sweep: SweepConfig
    """The grid of runs."""
    parts: tuple[PartConfig, ...] = ()
    """Variations of the study; its runs are those of all parts together."""
    search: Annotated[SearchConfig | None, Field(exclude_if=lambda search: search is None)] = None
    """A search over ranges of some keys."""
    execution: ExecutionConfig = ExecutionConfig()
    """How runs are executed."""

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
        return {part.name: self.changed(part.changes, f"parts.{part.name}.set") for part in self.parts} or {"": self}

    def changed(self, changes: Mapping[str, JsonValue], where: str) -> "Study":
        """The study without parts and search, with some values changed, by dotted keys; `where` names their place in errors.

        Raises:
            ValueError: a key does not exist, or a value is impossible.

        """
        raw = self.model_dump(mode="json", exclude={"parts", "search"}, by_alias=True)
        for key, value in changes.items():
            *path, last = key.split(".")
            section: object = raw
            for depth, step in enumerate(path):
                if isinstance(section, dict) and depth > 2 and path[0] == "tasks" and path[2] in ("finetune", "input"):
                    section.setdefault(step, {})  # a task says single values of its recipe, which has the section
                section = section.get(step) if isinstance(section, dict) else None
            if not isinstance(section, dict):
                raise ValueError(f"{where}.{key}: there is no section {'.'.join(path)!r}")
            section[last] = value
        try:
            return Study.model_validate_json(json.dumps(raw))
        except ValidationError as error:
            raise ValueError(f"{where}: {'; '.join(_told(fault) for fault in error.errors())}") from error

    def value_of(self, key: str) -> JsonValue:
        """The value at a dotted key; None where there is none."""
        value: JsonValue = self.model_dump(mode="json", by_alias=True)
        for step in key.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value

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

    @model_validator(mode="after")
    def _search_fits(self) -> Self:
        if self.search is None:
            return self
        if self.parts:
            raise ValueError("search: cannot stand beside parts; give it a study file of its own")
        if shared := sorted(set(self.search.seeds) & set(self.sweep.seeds)):
            listed = ", ".join(map(str, shared))
            raise ValueError(
                f"search.seeds: {listed} stands in sweep.seeds too; the chosen values need seeds that no trial has seen"
            )
        if self.search.method not in self.sweep.methods:
            raise ValueError(f"search.method: {self.search.method} is not among sweep.methods; add it there")
        for key, values in self.search.ranges.items():
            for value in values.ends:
                self.changed({key: value}, "search.ranges")
        return self


def _told(fault: ErrorDetails) -> str:
    """A fault of a changed study as `key: what is wrong`."""
    if fault["type"] == "value_error":
        message = str(fault["ctx"]["error"])
    elif fault["type"] == "extra_forbidden":
        message = "unknown key; remove it or correct its spelling"
    else:
        message = f"{fault['msg'][0].lower()}{fault['msg'][1:]} (got {json.dumps(fault['input'], default=str)})"
    return ": ".join(filter(None, (".".join(map(str, fault["loc"])), message)))
