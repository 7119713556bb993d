"""A study: everything that one params file declares."""

import json
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, JsonValue, ValidationError, ValidationInfo, model_validator
from pydantic_core import to_jsonable_python

from m2pt.config.base import MODALITIES, RANDOM, Frozen, Name
from m2pt.config.data import DataConfig
from m2pt.config.design import DesignConfig
from m2pt.config.encoders import EncoderSource, LabelsSource, MaeSource, ProceduralSource, TrainedSource, has_seen_no_modality
from m2pt.config.execution import ExecutionConfig
from m2pt.config.faults import faults_of
from m2pt.config.finetune import FinetuneConfig
from m2pt.config.methods import PathwayConfig, RivalsConfig
from m2pt.config.modalities import InputsConfig
from m2pt.config.model import ModelConfig
from m2pt.config.pretrain import PretrainConfig
from m2pt.config.search import SearchConfig
from m2pt.config.sweep import SweepConfig
from m2pt.config.tasks import TaskConfig

_CHANGED = {"changed": True}
"""Tells the checks of a study that it is one with other values; what holds for complete studies alone was checked before."""


class PartConfig(Frozen):
    """A part of a study: the whole file with some values changed."""

    name: Name
    """Name of the part."""
    changes: dict[str, JsonValue] = Field(default_factory=dict, alias="set")
    """New values by dotted key (`set: {pathway.order: reversed}`)."""


class Study(Frozen):
    """A study, as one params file declares it; with `parts`, its runs are those of all parts together."""

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
    design: Annotated[DesignConfig, Field(exclude_if=lambda design: design == DesignConfig())] = DesignConfig()
    """What is decided before results are seen."""
    execution: ExecutionConfig = ExecutionConfig()
    """How runs are executed."""

    @model_validator(mode="after")
    def _targets_exist(self) -> Self:
        for name in self.tasks:
            if name in MODALITIES:
                raise ValueError(f"tasks.{name}: a task must not have the name of a modality; choose another name")
        for name in self.sweep.targets:
            if name not in self.tasks and name not in MODALITIES:
                known = ", ".join([*self.tasks, *MODALITIES])
                raise ValueError(f"sweep.targets: there is no task or modality named {name!r}; known: {known}")
        if len({part.name for part in self.parts}) != len(self.parts):
            raise ValueError("parts: two parts have the same name; rename one")
        self.expanded()
        return self

    def expanded(self) -> "dict[str, Study]":
        """The study that each part is, by name; a study without parts is its own only part, with an empty name.

        Raises:
            ValueError: a part changes a key that does not exist, or sets an impossible value.

        """
        return {part.name: self.changed(part.changes, f"parts.{part.name}.set") for part in self.parts} or {"": self}

    def changed(self, changes: Mapping[str, JsonValue], where: str) -> "Study":
        """The study without parts and search, with other values at some dotted keys; errors begin with `where`.

        Raises:
            ValueError: a key does not exist, or a value is impossible.

        """
        raw = self.model_dump(mode="json", exclude={"parts", "search"}, by_alias=True)
        for key, value in changes.items():
            *path, last = key.split(".")
            section: object = raw
            for depth, step in enumerate(path):
                if isinstance(section, dict) and depth > 2 and path[0] == "tasks" and path[2] in ("finetune", "input"):
                    section.setdefault(step, {})  # the recipe of the task has the section
                section = section.get(step) if isinstance(section, dict) else None
            if not isinstance(section, dict):
                raise ValueError(f"{where}.{key}: there is no section {'.'.join(path)!r}")
            section[last] = value
        try:
            return Study.model_validate_json(json.dumps(raw), context=_CHANGED)
        except ValidationError as error:
            raise ValueError(f"{where}: {'; '.join(faults_of(error))}") from error

    def value_of(self, key: str) -> JsonValue:
        """The value at a dotted key, also where it is the default; None if there is none."""
        value: object = self
        for step in key.split("."):
            if isinstance(value, Frozen):
                value = getattr(value, step) if step in type(value).model_fields else None
            else:
                value = value.get(step) if isinstance(value, Mapping) else None
        plain: JsonValue = to_jsonable_python(value)
        return plain

    @model_validator(mode="after")
    def _encoders_exist(self) -> Self:
        if RANDOM in self.encoders:
            raise ValueError(f"encoders.{RANDOM}: the name is taken by the built-in random initialisation; choose another")
        for key in ("target_encoder", "auxiliary_encoder"):
            name = getattr(self.sweep, key)
            if name not in self.encoders and name != RANDOM:
                known = ", ".join([*self.encoders, RANDOM])
                raise ValueError(f"sweep.{key}: there is no encoder named {name!r}; known: {known}")
        if isinstance(self.encoders.get(self.sweep.target_encoder), ProceduralSource):
            raise ValueError(
                f"sweep.target_encoder: {self.sweep.target_encoder!r} is of kind procedural and has no tokenizer to start from; "
                "name an encoder of another kind"
            )
        for name, source in self.encoders.items():
            if isinstance(source, LabelsSource) and not isinstance(self.encoders.get(source.start), MaeSource):
                raise ValueError(f"encoders.{name}.start: {source.start!r} must name an encoder of kind mae")
        return self

    @property
    def replicates(self) -> int | None:
        """How many replicates of its encoders the study has: as many as an encoder has `seeds`; None if none has `seeds`.

        It is the same for all parts, so that the runs of two parts can be paired.
        """
        listed = (source.seeds for source in self.encoders.values() if isinstance(source, TrainedSource))
        return next((len(seeds) for seeds in listed if seeds is not None), None)

    @model_validator(mode="after")
    def _replicates_fit(self) -> Self:
        first = None
        for name, source in self.encoders.items():
            if not isinstance(source, TrainedSource):
                continue
            start = self.encoders.get(source.start) if isinstance(source, LabelsSource) else None
            if source.seeds is None and isinstance(start, MaeSource) and start.seeds is not None:
                raise ValueError(
                    f"encoders.{name}: the encoder that it starts from has {len(start.seeds)} seeds, so it is trained as often; "
                    f"give it as many seeds, one for each start"
                )
            if source.seeds is not None and first is not None and len(source.seeds) != first[1]:
                raise ValueError(
                    f"encoders.{name}.seeds: {len(source.seeds)} seeds, but encoders.{first[0]} has {first[1]}; "
                    "all encoders with seeds need the same number"
                )
            first = first or (None if source.seeds is None else (name, len(source.seeds)))
        return self

    @model_validator(mode="after")
    def _replicates_are_balanced(self, info: ValidationInfo) -> Self:
        count = self.replicates
        if count is None or info.context == _CHANGED:
            return self
        for name, part in self.expanded().items():
            seeds = len(part.sweep.seeds)
            if part.sweep.encoder_seeds == "paired" and seeds % count:
                where = f"parts.{name}.set.sweep.seeds" if name else "sweep.seeds"
                raise ValueError(
                    f"{where}: {seeds} seed{'s' if seeds > 1 else ''} cannot be paired evenly with {count} seeds of the "
                    f"encoders; give a multiple of {count}, or set sweep.encoder_seeds: crossed"
                )
            if self.design.seeds == "sequential" and (part.sweep.encoder_seeds == "crossed" or seeds != count):
                raise ValueError(
                    f"design.seeds: a sequential design adds draws that share nothing, but {seeds} fine-tuning seeds share "
                    f"{count} seeds of the encoders; give each its own (encoders.NAME.seeds, sweep.encoder_seeds: paired), or "
                    "one seed to all"
                )
        return self

    @model_validator(mode="after")
    def _questions_have_runs(self, info: ValidationInfo) -> Self:
        if not self.design.questions or info.context == _CHANGED:
            return self
        sweeps = [part.sweep for part in self.expanded().values()]
        for question in self.design.questions:
            needed = {question.method, question.over} - {None}
            if not any(needed <= set(sweep.methods) for sweep in sweeps):
                names = " and ".join(sorted(filter(None, needed)))
                raise ValueError(f"design.questions: a question needs runs of {names} together; add them to sweep.methods")
        return self

    @model_validator(mode="after")
    def _tuning_has_seeds_of_its_own(self) -> Self:
        sweeps = [part.sweep for part in self.expanded().values()] if self.parts else [self.sweep]
        tuned = {seed for sweep in sweeps if sweep.tune is not None for seed in sweep.tune.seeds}
        if shared := sorted(tuned & {seed for sweep in sweeps for seed in sweep.seeds}):
            listed = f"{', '.join(map(str, shared))} {'are' if len(shared) > 1 else 'is'}"
            raise ValueError(
                f"sweep.tune.seeds: {listed} also in sweep.seeds; the chosen rates need seeds that no tuning run has used"
            )
        return self

    @model_validator(mode="after")
    def _has_seen_no_modality(self) -> Self:
        name = self.sweep.no_modality_encoder
        if name is not None and not has_seen_no_modality(self.encoders, name):
            which = [other for other in self.encoders if has_seen_no_modality(self.encoders, other)]
            raise ValueError(
                f"sweep.no_modality_encoder: {name!r} is no encoder that was pretrained on noise (data: noise), further from it "
                f"with random labels (labels: random), or on brackets (kind: procedural); known: {', '.join(which) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _search_fits(self) -> Self:
        if self.search is None:
            return self
        if self.sweep.tune is not None:
            raise ValueError("search: cannot be combined with sweep.tune; give each a study file of its own")
        if self.parts:
            raise ValueError("search: cannot be combined with parts; give the search a study file of its own")
        if shared := sorted(set(self.search.seeds) & set(self.sweep.seeds)):
            listed = f"{', '.join(map(str, shared))} {'are' if len(shared) > 1 else 'is'}"
            raise ValueError(f"search.seeds: {listed} also in sweep.seeds; the chosen values need seeds that no trial has used")
        if self.search.method not in self.sweep.methods:
            raise ValueError(f"search.method: {self.search.method} is not in sweep.methods; add it there")
        for key, values in self.search.ranges.items():
            for value in values.samples:
                self.changed({key: value}, "search.ranges")
        return self
