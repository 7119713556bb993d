"""Makes the specs of a study's runs: each from what its cell shares, and from its draw."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from m2pt.config import (
    LAYERS,
    LAYERS_OF,
    RANDOM,
    GivenSource,
    MethodName,
    Modality,
    ModelConfig,
    PathwayConfig,
    Setting,
    Study,
    TaskConfig,
    Tuning,
    refuses_unknown,
)
from m2pt.methods import METHODS
from m2pt.modalities.recipes import resolve
from m2pt.runs.plugins import code_used
from m2pt.runs.spec import AuxiliaryData, EncoderKey, RunSpec, TaskSpec, WeightsRef
from pipelines.planning.auxiliary_encoders import Loads, auxiliary_keys, encoder_key

Cell = tuple[str, MethodName, str, Setting, Tuning]
"""A target, a method, an auxiliary (empty for none), a setting and a tuning."""


@dataclass(frozen=True)
class Fingerprints:
    """The content of a study's data and weights.

    `data` has the SHA-256 of the data of each target or modality; `weights` that of each encoder's file, None before it exists.
    """

    data: Mapping[str, str]
    weights: Mapping[EncoderKey, str | None]


class RunMaker:
    """Makes the runs of a part: what the runs of a cell share is made once, and so is each reference to weights."""

    def __init__(self, study: Study, prints: Fingerprints, make: Callable[..., RunSpec]) -> None:
        self._study, self._prints, self._make = study, prints, make
        self._first: dict[Cell, RunSpec] = {}
        self._loads = Loads.of(study)
        self._reference = functools.cache(lambda key: _shared(reference(study, prints, key).model_dump_json()))
        self._loaded = functools.cache(self._references)

    def run(self, cell: Cell, seed: int, replicate: int | None) -> RunSpec:
        """The run of a cell with one draw."""
        target, first, more = self._loaded(cell[:4], replicate)
        draw = {"seed": seed, "replicate": replicate}
        drawn = {**draw, "target_weights": target, "auxiliary_weights": first, "more_weights": more}
        if cell not in self._first:
            self._first[cell] = self._make(**self._of_cell(cell), **drawn)
            return self._first[cell]
        return self._first[cell].model_copy(update=drawn)  # its values have been checked

    def _of_cell(self, cell: Cell) -> dict[str, Any]:
        """What all runs of a cell have in common."""
        study, (target, name, auxiliary, setting, tuning) = self._study, cell
        method, modality, task = METHODS[name], modality_of(study, target), study.tasks.get(target)
        form, recipe = (getattr(study.inputs, modality), study.finetune) if task is None else resolve(target, task, tuning)
        return {
            "target": target,
            "modality": modality,
            "task": None if task is None else _task_spec(task, tuning),
            "auxiliary": auxiliary,
            "method": name,
            "setting": setting,
            "tuning": tuning,
            "input": form,
            "model": _of_known_size(study.model),
            "finetune": recipe,
            "pathway": None if method.pathway is None else self._pathway(name),
            "rivals": study.rivals if method.rivals else None,
            "data_sha256": self._prints.data[target],
            "auxiliary_data": _auxiliary_data(study, self._prints, target, name, auxiliary),
            "plugins": code_used((modality, *auxiliary.split("+")), None if task is None else task.dataset, name),
        }

    def _pathway(self, method: MethodName) -> PathwayConfig:
        made = self._study.pathway.model_copy(update=METHODS[method].fixed)
        family = self._study.model.family
        if made.layers != LAYERS or family not in LAYERS_OF:  # chosen; or a mark (`unused_keys`)
            return made
        return made.model_copy(update={"layers": LAYERS_OF[family]})

    def _references(
        self, start: tuple[str, MethodName, str, Setting], replicate: int | None
    ) -> tuple[WeightsRef | None, WeightsRef | None, tuple[WeightsRef, ...]]:
        """The weights of the target's encoder, of the first further encoder, and of all others."""
        own, beside = _keys(self._loads, start, replicate)
        others = tuple(map(self._reference, beside))
        return None if own is None else self._reference(own), others[0] if others else None, others[1:]


@functools.lru_cache(maxsize=2**14)  # the parts of a study are many, and few of them load anything else
def _keys(
    loads: Loads, start: tuple[str, MethodName, str, Setting], replicate: int | None
) -> tuple[EncoderKey | None, tuple[EncoderKey, ...]]:
    """The encoder of the target, None for a random one, and all others."""
    study, (target, method, auxiliary, setting) = loads.study, start
    modality = modality_of(study, target)
    loads_target = setting == "pretrained" and study.sweep.target_encoder != RANDOM
    own = encoder_key(study, study.sweep.target_encoder, modality, replicate) if loads_target else None
    return own, auxiliary_keys(study, method, auxiliary, modality, replicate)


@functools.lru_cache(maxsize=2**12)
def _shared(written: str) -> WeightsRef:
    """One object for equal references of all parts, which are known by their objects in `m2pt.runs.identity`."""
    return WeightsRef.model_validate_json(written)


def _of_known_size(model: ModelConfig) -> ModelConfig:
    if isinstance(model.from_, str):
        raise ValueError(f"model.from: the size of {model.from_} has not been looked up (`m2pt.weights.sizes`)")
    return model


def modality_of(study: Study, target: str) -> Modality:
    """The modality of a target, which is a task or a modality itself."""
    return study.tasks[target].modality if target in study.tasks else target


@refuses_unknown
def reads_samples(study: Study, target: str, method: MethodName, auxiliary: str) -> bool:
    """Whether a run trains with samples of the auxiliary's modality; runs of tasks cannot."""
    del auxiliary
    return METHODS[method].reads_auxiliary_samples and target not in study.tasks


def _auxiliary_data(study: Study, prints: Fingerprints, target: str, method: MethodName, auxiliary: str) -> AuxiliaryData | None:
    if not reads_samples(study, target, method, auxiliary):
        return None
    # The section has been validated with the study; a marked one (`unused_keys`) would not pass.
    return AuxiliaryData.model_construct(input=getattr(study.inputs, auxiliary), sha256=prints.data[auxiliary])


def _task_spec(task: TaskConfig, tuning: Tuning) -> TaskSpec:
    return TaskSpec(
        dataset=task.dataset,
        goal=task.goal,
        variant=task.variant,
        recipe=task.recipes[tuning],
        holdout=task.holdout,
        unreadable=task.unreadable,
        max_unreadable=task.most_unreadable,
        files=task.own_files,
    )


def reference(study: Study, prints: Fingerprints, key: EncoderKey) -> WeightsRef:
    """The weights of an encoder, with how to read their file where the study says so."""
    source = study.encoders.get(key.source)
    reading = source.how(key.modality) if isinstance(source, GivenSource) else None
    return WeightsRef(source=key.source, modality=key.modality, seed=key.seed, sha256=prints.weights.get(key), reading=reading)
