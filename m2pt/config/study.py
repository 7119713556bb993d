"""A study: everything that one params file declares."""

import functools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field, JsonValue, ValidationError
from pydantic_core import to_jsonable_python

from m2pt.config.base import MODALITIES, RANDOM, FaultsError, Frozen, Name, Same
from m2pt.config.data import DataConfig
from m2pt.config.design import DesignConfig
from m2pt.config.encoders import (
    EncoderSource,
    LabelsSource,
    MaeSource,
    ProceduralSource,
    TrainedSource,
    has_seen_no_modality,
    unfit_for_family,
)
from m2pt.config.execution import ExecutionConfig
from m2pt.config.faults import faults_of
from m2pt.config.finetune import FinetuneConfig
from m2pt.config.methods import PathwayConfig, RivalsConfig
from m2pt.config.modalities import InputsConfig
from m2pt.config.model import ModelConfig
from m2pt.config.pretrain import PretrainConfig
from m2pt.config.search import SearchConfig
from m2pt.config.spelling import suggestion
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
    plugins: Annotated[tuple[str, ...], Field(exclude_if=lambda names: not names)] = ()
    """Packages that the study needs beside m2pt, as they are installed: what they add is unknown where they are not there."""
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

    def expanded(self) -> "dict[str, Study]":
        """The study that each part is, by name; a study without parts is its own only part, with an empty name.

        Raises:
            FaultsError: a part changes a key that does not exist, or sets an impossible value; the faults of all parts are told.

        """
        return dict(_expanded(Same(self)))

    def _parts_made(self) -> "dict[str, Study]":
        studies: dict[str, Study] = {}
        faults: list[str] = []
        for part in self.parts:
            try:
                studies[part.name] = self.changed(part.changes, f"parts.{part.name}.set")
            except FaultsError as error:
                faults += error.sentences
        if faults:
            raise FaultsError(faults)
        return studies or {"": self}

    def changed(self, changes: Mapping[str, JsonValue], where: str) -> "Study":
        """The study without parts and search, with other values at some dotted keys; errors begin with `where`.

        Raises:
            FaultsError: a key does not exist, or a value is impossible.

        """
        raw = self.model_dump(mode="json", exclude={"parts", "search"}, by_alias=True)
        for key, value in changes.items():
            *path, last = key.split(".")
            section: object = raw
            for depth, step in enumerate(path):
                if isinstance(section, dict) and depth > 2 and path[0] == "tasks" and path[2] in ("finetune", "input"):
                    section.setdefault(step, {})  # the recipe of the task has the section
                elif isinstance(section, dict) and isinstance(usual := self.value_of(".".join(path[: depth + 1])), dict):
                    section.setdefault(step, usual)  # a section that is only written where it is not as usual
                section = section.get(step) if isinstance(section, dict) else None
            if not isinstance(section, dict):
                raise FaultsError([f"{where}.{key}: there is no section {'.'.join(path)!r}"])
            section[last] = value
        try:
            made = Study.model_validate_json(json.dumps(raw), context=_CHANGED)
        except ValidationError as error:
            faults = faults_of(error, Study)
            raise FaultsError([f"{where}{'.' if _is_about(fault, changes) else ': '}{fault}" for fault in faults]) from error
        touched = {key.partition(".")[0] for key in changes}
        return made.model_copy(  # what is remembered of a section (`Same`) holds for all parts that leave it as it is
            update={name: section for name, section in self if isinstance(section, Frozen) and name not in touched}
        )

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

    @property
    def replicates(self) -> int | None:
        """How many replicates of its encoders the study has: as many as an encoder has `seeds`; None if none has `seeds`.

        It is the same for all parts, so that the runs of two parts can be paired.
        """
        listed = (source.seeds for source in self.encoders.values() if isinstance(source, TrainedSource))
        return next((len(seeds) for seeds in listed if seeds is not None), None)

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`; a study with other values (`changed`) was checked as a whole before."""
        own = [*self._names_that_do_not_exist(), *self._replicates_that_do_not_fit(), *self._encoders_that_saw_a_modality()]
        own += unfit_for_family(self.encoders, self.model.family)
        yield from own
        try:
            parts = self.expanded()
        except FaultsError as error:
            yield from (sentence for sentence in error.sentences if sentence.partition(".set: ")[2] not in own)
            return
        if own:
            return
        yield from self._tuning_seeds_used_twice([part.sweep for part in parts.values()])
        if context != _CHANGED:
            yield from self._replicates_out_of_balance(parts)
            yield from self._questions_without_runs([part.sweep for part in parts.values()])
        if self.search is not None:
            yield from self._search_that_does_not_fit(self.search)

    def _names_that_do_not_exist(self) -> Iterator[str]:
        for name in self.tasks:
            if name in MODALITIES:
                yield f"tasks.{name}: a task must not have the name of a modality; choose another name"
        known = [*self.tasks, *MODALITIES]
        named = [(f"sweep.targets[{number}]", name) for number, name in enumerate(self.sweep.targets)]
        for key, name in [*named, *((f"execution.micro_batch_of.{name}", name) for name in self.execution.micro_batch_of)]:
            if name not in known:
                yield f"{key}: there is no task or modality named {name!r}{_known(name, known)}"
        for number, part in enumerate(self.parts):
            if part.name in [other.name for other in self.parts[:number]]:
                yield f"parts[{number}].name: two parts are named {part.name!r}; rename one"
        if RANDOM in self.encoders:
            yield f"encoders.{RANDOM}: the name is taken by the built-in random initialisation; choose another"
        known = [*self.encoders, RANDOM]
        for key in ("target_encoder", "auxiliary_encoder"):
            name = getattr(self.sweep, key)
            if name not in known:
                yield f"sweep.{key}: there is no encoder named {name!r}{_known(name, known)}"
        if isinstance(self.encoders.get(self.sweep.target_encoder), ProceduralSource):
            yield (
                f"sweep.target_encoder: {self.sweep.target_encoder!r} is of kind procedural and has no tokenizer to start from; "
                "name an encoder of another kind"
            )
        known = [name for name, source in self.encoders.items() if isinstance(source, MaeSource)]
        for name, source in self.encoders.items():
            if isinstance(source, LabelsSource) and source.start not in (*known, RANDOM):
                fault = f"encoders.{name}.start: {source.start!r} must name an encoder of kind mae, or be {RANDOM}"
                yield fault + _known(source.start, known, others=self.encoders)

    def _replicates_that_do_not_fit(self) -> Iterator[str]:
        first = None
        for name, source in self.encoders.items():
            if not isinstance(source, TrainedSource) or (source.seeds is not None and len(source.seeds) < 2):
                continue  # fewer seeds are a fault by themselves, and no number that others would need
            start = self.encoders.get(source.start) if isinstance(source, LabelsSource) else None
            if source.seeds is None and isinstance(start, MaeSource) and start.seeds is not None:
                yield (
                    f"encoders.{name}: the encoder that it starts from has {len(start.seeds)} seeds, so it is trained as often; "
                    f"give it as many seeds, one for each start"
                )
            if source.seeds is not None and first is not None and len(source.seeds) != first[1]:
                yield (
                    f"encoders.{name}.seeds: {len(source.seeds)} seeds, but encoders.{first[0]} has {first[1]}; "
                    "all encoders with seeds need the same number"
                )
            first = first or (None if source.seeds is None else (name, len(source.seeds)))

    def _encoders_that_saw_a_modality(self) -> Iterator[str]:
        name, known = self.sweep.no_modality_encoder, [*self.encoders, RANDOM]
        if name is not None and not has_seen_no_modality(self.encoders, name):
            which = [other for other in self.encoders if has_seen_no_modality(self.encoders, other)]
            yield (
                f"sweep.no_modality_encoder: {name!r} is no encoder that was pretrained on noise (data: noise), further from it "
                f"with random labels (labels: random), or on brackets (kind: procedural)"
                f"{_known(name, which, others=known)}"
            )

    def _replicates_out_of_balance(self, parts: "Mapping[str, Study]") -> Iterator[str]:
        if not (count := self.replicates):
            return
        for name, part in parts.items():
            seeds = len(part.sweep.seeds)
            if part.sweep.encoder_seeds == "paired" and seeds % count:
                where = f"parts.{name}.set.sweep.seeds" if name else "sweep.seeds"
                yield (
                    f"{where}: {seeds} seed{'s' if seeds > 1 else ''} cannot be paired evenly with {count} seeds of the "
                    f"encoders; give a multiple of {count}, or set sweep.encoder_seeds: crossed"
                )
            if self.design.seeds == "sequential" and (part.sweep.encoder_seeds == "crossed" or seeds != count):
                yield (
                    f"design.seeds: a sequential design adds draws that share nothing, but {seeds} fine-tuning seeds share "
                    f"{count} seeds of the encoders; give each its own (encoders.NAME.seeds, sweep.encoder_seeds: paired), or "
                    "one seed to all"
                )

    def _questions_without_runs(self, sweeps: Sequence[SweepConfig]) -> Iterator[str]:
        for number, question in enumerate(self.design.questions):
            needed = {question.method, question.over} - {None}
            if not any(needed <= set(sweep.methods) for sweep in sweeps):
                names = " and ".join(sorted(filter(None, needed)))
                yield f"design.questions[{number}]: a question needs runs of {names} together; add them to sweep.methods"

    @staticmethod
    def _tuning_seeds_used_twice(sweeps: Sequence[SweepConfig]) -> Iterator[str]:
        tuned = {seed for sweep in sweeps if sweep.tune is not None for seed in sweep.tune.seeds}
        if shared := sorted(tuned & {seed for sweep in sweeps for seed in sweep.seeds}):
            also = _also(shared)
            yield f"sweep.tune.seeds: {also} in sweep.seeds; the chosen rates need seeds that no tuning run has used"

    def _search_that_does_not_fit(self, search: SearchConfig) -> Iterator[str]:
        if self.sweep.tune is not None:
            yield "search: cannot be combined with sweep.tune; give each a study file of its own"
        if self.parts:
            yield "search: cannot be combined with parts; give the search a study file of its own"
        if shared := sorted(set(search.seeds) & set(self.sweep.seeds)):
            yield f"search.seeds: {_also(shared)} in sweep.seeds; the chosen values need seeds that no trial has used"
        if search.method not in self.sweep.methods:
            yield f"search.method: {search.method} is not in sweep.methods; add it there"
        for key, values in search.ranges.items():
            for value in [] if any(values.contradictions(None)) else values.samples:
                try:
                    self.changed({key: value}, "search.ranges")
                except FaultsError as error:
                    yield from error.sentences
                    break


def _known(name: str, known: Sequence[str], others: Collection[str] = ()) -> str:
    """What a name can be, and what it was meant to be unless it is one of `others`, which is no slip of the pen."""
    return f"; known: {', '.join(known) or 'none'}{'' if name in others else suggestion(name, known)}"


def _also(seeds: Sequence[int]) -> str:
    return f"{', '.join(map(str, seeds))} {'are' if len(seeds) > 1 else 'is'} also"


def _is_about(fault: str, changes: Mapping[str, JsonValue]) -> bool:
    """Whether a sentence begins with one of the changed keys, or with one below it."""
    return any(fault.startswith((f"{key}:", f"{key}.", f"{key}[")) for key in changes)


@functools.lru_cache(maxsize=16)
def _expanded(study: Same[Study]) -> dict[str, Study]:
    """The parts of a study, made once however often they are asked for."""
    return study.value._parts_made()
