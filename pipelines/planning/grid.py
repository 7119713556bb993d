"""From a study to the specs of its runs. Pure: it reads no file; what is on the disk comes in as `Fingerprints`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import cast

from m2pt.config import (
    MODALITIES,
    RANDOM,
    FileSource,
    InputConfig,
    LabelsSource,
    MaeSource,
    MethodName,
    Modality,
    Reading,
    Setting,
    Study,
    TaskConfig,
    Tuning,
    UserError,
)
from m2pt.methods import METHODS
from m2pt.modalities.recipes import resolve
from m2pt.runs.spec import AuxiliaryData, PretrainSpec, RunSpec, TaskSpec, WeightsRef

EncoderKey = tuple[str, Modality]
"""An encoder of a study: the name of its source and its modality."""

Pair = tuple[str, MethodName, str]
"""A target, a method and an auxiliary (empty for none)."""


@dataclass(frozen=True)
class Fingerprints:
    """The content of a study's data and weights.

    `data` has the SHA-256 of the data of each target or modality; `weights` that of each encoder's file, None before it exists.
    """

    data: Mapping[str, str]
    weights: Mapping[EncoderKey, str | None]


@dataclass(frozen=True)
class Point:
    """One point of the grid: what a run has of its own, apart from what the study gives to all."""

    target: str
    method: MethodName
    auxiliary: str
    setting: Setting
    tuning: Tuning
    seed: int


def encoders_used(study: Study) -> list[EncoderKey]:
    """The encoders that the runs of a study load, in the order to train them in: one that others start from comes first.

    An encoder that is declared but that no run loads is not among them.
    """
    wanted = {key for part in study.expanded().values() for pair in _pairs(part) for key in _weights_of(part, *pair)}
    wanted |= {(source.start, modality) for name, modality in wanted if isinstance(source := study.encoders[name], LabelsSource)}
    names = sorted(study.encoders, key=lambda name: isinstance(study.encoders[name], LabelsSource))
    seen = [modality for part in study.expanded().values() for modality in _modalities(part)]
    return [key for key in product(names, dict.fromkeys(seen)) if key in wanted]


def _modalities(study: Study) -> list[Modality]:
    return [*(modality_of(study, target) for target in study.sweep.targets), *study.sweep.auxiliaries]


def data_used(study: Study) -> list[str]:
    """The data that a study reads: those of its targets, and of the modalities whose encoders it pretrains."""
    targets = [target for part in study.expanded().values() for target in part.sweep.targets]
    pretrained = [modality for name, modality in encoders_used(study) if not isinstance(study.encoders[name], FileSource)]
    beside = [pair[2] for part in study.expanded().values() for pair in _pairs(part) if _reads_samples(part, *pair)]
    return list(dict.fromkeys([*targets, *pretrained, *beside]))


def _reads_samples(study: Study, target: str, method: MethodName, auxiliary: str) -> bool:
    """Whether a run trains with samples of the auxiliary's modality; runs of tasks cannot."""
    del auxiliary
    return METHODS[method].reads_auxiliary_samples and target not in study.tasks


def modality_of(study: Study, target: str) -> Modality:
    """The modality of a target, which is a task or a modality itself."""
    return study.tasks[target].modality if target in study.tasks else next(name for name in MODALITIES if name == target)


def input_forms(study: Study, target: str) -> list[InputConfig]:
    """The forms in which the samples of a target reach its models: one for each tuning of its runs."""
    if target not in study.tasks:
        return [getattr(study.inputs, modality_of(study, target))]
    return [resolve(target, study.tasks[target], tuning)[0] for tuning in _tunings(study, target)]


def pretrain_specs(study: Study, prints: Fingerprints) -> list[PretrainSpec]:
    """The pretraining runs of a study. One that starts from another encoder comes after it, and is `ready` once it exists."""
    return [
        pretrain_spec(study, key, source, prints)
        for key in encoders_used(study)
        if not isinstance(source := study.encoders[key[0]], FileSource)
    ]


def pretrain_spec(
    study: Study,
    key: EncoderKey,
    source: MaeSource | LabelsSource,
    prints: Fingerprints,
    make: Callable[..., PretrainSpec] = PretrainSpec,
) -> PretrainSpec:
    """The pretraining of one encoder from its `source`; `make` builds the spec."""
    name, modality = key
    recipe = study.pretrain.labels if isinstance(source, LabelsSource) else study.pretrain.mae
    return make(
        modality=modality,
        source=name,
        seed=source.seed,
        input=getattr(study.inputs, modality),
        model=study.model,
        pretrain=recipe if source.steps is None else recipe.model_copy(update={"steps": source.steps}),
        data_sha256=prints.data[modality],
        start=_reference(study, prints, (source.start, modality)) if isinstance(source, LabelsSource) else None,
    )


def run_specs(study: Study, prints: Fingerprints) -> list[RunSpec]:
    """The fine-tuning runs of a study, each once; seed by seed, so that a method and its baseline are complete early."""
    specs = [spec for specs in part_specs(study, prints).values() for spec in specs]
    return sorted(distinct(specs), key=lambda spec: spec.seed) if study.parts else specs


def part_specs(study: Study, prints: Fingerprints, make: Callable[..., RunSpec] = RunSpec) -> dict[str, list[RunSpec]]:
    """The fine-tuning runs of each part of a study, by its name; a run can be in several parts. `make` builds the specs."""
    return {name: list(_part_specs(part, prints, make)) for name, part in study.expanded().items()}


def distinct(specs: list[RunSpec]) -> list[RunSpec]:
    """Equal runs once, in their order."""
    return list({spec.model_dump_json(): spec for spec in specs}.values())


def _part_specs(study: Study, prints: Fingerprints, make: Callable[..., RunSpec]) -> Iterator[RunSpec]:
    sweep = study.sweep
    for seed, (target, method, auxiliary), setting in product(sweep.seeds, _pairs(study), sweep.settings):
        for tuning in _tunings(study, target):
            yield _run_spec(study, prints, Point(target, method, auxiliary, setting, tuning, seed), make)


def _tunings(study: Study, target: str) -> list[Tuning]:
    """The tunings of a target's runs: for a task, those that it has a recipe for."""
    task = study.tasks.get(target)
    return [tuning for tuning in study.sweep.tunings if task is None or tuning in task.recipes]


def _pairs(study: Study) -> list[Pair]:
    """Every (target, method, auxiliary) of the grid."""
    sweep = study.sweep
    return [
        (target, method, auxiliary)
        for target, method in product(sweep.targets, sweep.methods)
        for auxiliary in _auxiliaries(method, modality_of(study, target), sweep.auxiliaries)
    ]


def _auxiliaries(method: MethodName, target: Modality, declared: tuple[Modality, ...]) -> tuple[str, ...]:
    others = tuple(auxiliary for auxiliary in declared if auxiliary != target)
    match METHODS[method].takes:
        case "nothing":
            return ("",)
        case "each":
            return others
        case "random":
            return (RANDOM,)
        case "own":
            return (target,)
        case "all":
            return ("+".join(others),) if len(others) > 1 else ()


def _weights_of(study: Study, target: str, method: MethodName, auxiliary: str) -> Iterator[EncoderKey]:
    """The encoders that one (target, method, auxiliary) loads; a random encoder is drawn, not loaded."""
    if "pretrained" in study.sweep.settings and study.sweep.target_encoder != RANDOM:
        yield study.sweep.target_encoder, modality_of(study, target)
    yield from _auxiliary_keys(study, method, auxiliary)


def _auxiliary_keys(study: Study, method: MethodName, auxiliary: str) -> tuple[EncoderKey, ...]:
    """The encoders that a method loads in addition to the target's: auxiliaries, and the encoder that one was trained from."""
    source = study.sweep.auxiliary_encoder
    declaration = METHODS[method]
    if not declaration.loads_auxiliaries or (source == RANDOM and not declaration.adds_what_was_learned):
        return ()
    keys = tuple((source, cast(Modality, modality)) for modality in auxiliary.split("+"))
    if declaration.adds_what_was_learned:
        declared = study.encoders.get(source)
        if not isinstance(declared, LabelsSource):
            raise UserError(
                f"sweep.methods: {method} needs an auxiliary that was trained from another encoder (kind labels), which "
                f"{source} was not; choose another sweep.auxiliary_encoder, or remove the method."
            )
        keys += ((declared.start, keys[0][1]),)
    return keys


def _run_spec(study: Study, prints: Fingerprints, point: Point, make: Callable[..., RunSpec]) -> RunSpec:
    method, modality = METHODS[point.method], modality_of(study, point.target)
    target_key = (study.sweep.target_encoder, modality)
    keys = _auxiliary_keys(study, point.method, point.auxiliary)
    loads_target = point.setting == "pretrained" and study.sweep.target_encoder != RANDOM
    task = study.tasks.get(point.target)
    shared = (getattr(study.inputs, modality), study.finetune)
    form, recipe = shared if task is None else resolve(point.target, task, point.tuning)
    return make(
        target=point.target,
        modality=modality,
        task=None if task is None else _task_spec(task, point.tuning),
        auxiliary=point.auxiliary,
        method=point.method,
        setting=point.setting,
        tuning=point.tuning,
        seed=point.seed,
        input=form,
        model=study.model,
        finetune=recipe,
        pathway=None if method.pathway is None else study.pathway.model_copy(update=method.fixed),
        rivals=study.rivals if method.rivals else None,
        data_sha256=prints.data[point.target],
        target_weights=_reference(study, prints, target_key) if loads_target else None,
        auxiliary_weights=_reference(study, prints, keys[0]) if keys else None,
        more_weights=tuple(_reference(study, prints, key) for key in keys[1:]),
        auxiliary_data=_auxiliary_data(study, prints, point),
    )


def _auxiliary_data(study: Study, prints: Fingerprints, point: Point) -> AuxiliaryData | None:
    if not _reads_samples(study, point.target, point.method, point.auxiliary):
        return None
    # The section has been validated with the study; a marked one (`unused_keys`) would not pass.
    return AuxiliaryData.model_construct(input=getattr(study.inputs, point.auxiliary), sha256=prints.data[point.auxiliary])


def _task_spec(task: TaskConfig, tuning: Tuning) -> TaskSpec:
    return TaskSpec(
        dataset=task.dataset,
        goal=task.goal,
        variant=task.variant,
        recipe=task.recipes[tuning],
        holdout=task.holdout,
        unreadable=task.unreadable,
        max_unreadable=task.most_unreadable,
    )


def _reference(study: Study, prints: Fingerprints, key: EncoderKey) -> WeightsRef:
    """The weights of an encoder, with how to read their file where the study says so."""
    name, modality = key
    source = study.encoders.get(name)
    reading = source.reading.get(modality) if isinstance(source, FileSource) else None
    reading = None if reading == Reading() else reading
    return WeightsRef(source=name, modality=modality, sha256=prints.weights.get(key), reading=reading)
