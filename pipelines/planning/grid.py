"""From a study to the runs it holds. Pure: reads no file, knows no folder; what lies on the disk is `Fingerprints`."""

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
from m2pt.runs.spec import PretrainSpec, RunSpec, TaskSpec, WeightsRef

EncoderKey = tuple[str, Modality]
"""An encoder of a study: the name of its source and its modality."""

Pair = tuple[str, MethodName, str]
"""A target, a method and an auxiliary."""


@dataclass(frozen=True)
class Fingerprints:
    """What the data and the weights of a study hold.

    `data` has the SHA-256 of each target's or modality's data; `weights` that of each encoder's file, None where it is not made.
    """

    data: Mapping[str, str]
    weights: Mapping[EncoderKey, str | None]


def encoders_used(study: Study) -> list[EncoderKey]:
    """The encoders that the runs of a study load, in the order in which they are to be made (a start before its successor).

    An encoder that is declared and not used by the sweep is not among them.
    """
    wanted = {key for part in study.expanded().values() for pair in _pairs(part) for key in _weights_of(part, *pair)}
    wanted |= {(source.start, modality) for name, modality in wanted if isinstance(source := study.encoders[name], LabelsSource)}
    names = sorted(study.encoders, key=lambda name: isinstance(study.encoders[name], LabelsSource))
    seen = [modality for part in study.expanded().values() for modality in _modalities(part)]
    return [key for key in product(names, dict.fromkeys(seen)) if key in wanted]


def _modalities(study: Study) -> list[Modality]:
    return [*(modality_of(study, target) for target in study.sweep.targets), *study.sweep.auxiliaries]


def data_used(study: Study) -> list[str]:
    """Whose data a study reads: its targets', and those of the modalities whose encoders it pretrains."""
    targets = [target for part in study.expanded().values() for target in part.sweep.targets]
    made = [modality for name, modality in encoders_used(study) if not isinstance(study.encoders[name], FileSource)]
    return list(dict.fromkeys([*targets, *made]))


def modality_of(study: Study, target: str) -> Modality:
    """The modality of a target: its task's, or itself."""
    return study.tasks[target].modality if target in study.tasks else next(name for name in MODALITIES if name == target)


def input_forms(study: Study, target: str) -> list[InputConfig]:
    """The forms in which the samples of a target reach its models: one for each tuning that it is run in."""
    if target not in study.tasks:
        return [getattr(study.inputs, modality_of(study, target))]
    return [resolve(target, study.tasks[target], tuning)[0] for tuning in _tunings(study, target)]


def pretrain_specs(study: Study, prints: Fingerprints) -> list[PretrainSpec]:
    """The pretraining runs of a study; one that goes on from an encoder comes after it, and is not `ready` before that exists."""
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
    """The fine-tuning runs of a study, seed by seed, so that whole pairs of method and baseline are there early; no run twice."""
    found = [spec for specs in part_specs(study, prints).values() for spec in specs]
    return sorted(_distinct(found), key=lambda spec: spec.seed) if study.parts else found


def part_specs(study: Study, prints: Fingerprints, make: Callable[..., RunSpec] = RunSpec) -> dict[str, list[RunSpec]]:
    """The fine-tuning runs of each part of a study, by its name; a run can be in several. `make` builds the specs."""
    return {name: list(_part_specs(part, prints, make)) for name, part in study.expanded().items()}


def _distinct(specs: list[RunSpec]) -> list[RunSpec]:
    return list({spec.model_dump_json(): spec for spec in specs}.values())


def _part_specs(study: Study, prints: Fingerprints, make: Callable[..., RunSpec]) -> Iterator[RunSpec]:
    sweep = study.sweep
    for seed, (target, method, auxiliary), setting in product(sweep.seeds, _pairs(study), sweep.settings):
        for tuning in _tunings(study, target):
            yield _run_spec(study, prints, target, method, auxiliary, setting, tuning, seed, make)


def _tunings(study: Study, target: str) -> list[Tuning]:
    """The tunings that a target is run in: a task in those that it has a recipe for."""
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
    """The encoders that one (target, method, auxiliary) loads; a random one is drawn, not loaded."""
    if "pretrained" in study.sweep.settings and study.sweep.target_encoder != RANDOM:
        yield study.sweep.target_encoder, modality_of(study, target)
    yield from _auxiliary_keys(study, method, auxiliary)


def _auxiliary_keys(study: Study, method: MethodName, auxiliary: str) -> tuple[EncoderKey, ...]:
    """The encoders that a method takes beside the target: the auxiliary, further ones, or what the auxiliary was trained from."""
    source = study.sweep.auxiliary_encoder
    declaration = METHODS[method]
    if not declaration.loads_auxiliaries or (source == RANDOM and not declaration.adds_what_was_learned):
        return ()
    keys = tuple((source, cast(Modality, modality)) for modality in auxiliary.split("+"))
    if declaration.adds_what_was_learned:
        declared = study.encoders.get(source)
        if not isinstance(declared, LabelsSource):
            raise UserError(
                f"sweep.methods: {method} needs an auxiliary that was trained from another encoder (kind labels), and "
                f"{source} was not; choose another sweep.auxiliary_encoder, or leave the method out."
            )
        keys += ((declared.start, keys[0][1]),)
    return keys


def _run_spec(
    study: Study,
    prints: Fingerprints,
    target: str,
    method: MethodName,
    auxiliary: str,
    setting: Setting,
    tuning: Tuning,
    seed: int,
    make: Callable[..., RunSpec],
) -> RunSpec:
    modality, fixed = modality_of(study, target), METHODS[method].pathway
    target_key = (study.sweep.target_encoder, modality)
    keys = _auxiliary_keys(study, method, auxiliary)
    loads_target = setting == "pretrained" and study.sweep.target_encoder != RANDOM
    task = study.tasks.get(target)
    form, recipe = (getattr(study.inputs, modality), study.finetune) if task is None else resolve(target, task, tuning)
    return make(
        target=target,
        modality=modality,
        task=None if task is None else _task_spec(task, tuning),
        auxiliary=auxiliary,
        method=method,
        setting=setting,
        tuning=tuning,
        seed=seed,
        input=form,
        model=study.model,
        finetune=recipe,
        pathway=None if fixed is None else study.pathway.model_copy(update=dict(fixed)),
        rivals=study.rivals if METHODS[method].rivals else None,
        data_sha256=prints.data[target],
        target_weights=_reference(study, prints, target_key) if loads_target else None,
        auxiliary_weights=_reference(study, prints, keys[0]) if keys else None,
        more_weights=tuple(_reference(study, prints, key) for key in keys[1:]),
    )


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
    """The weights of an encoder, with what the study says of how to read their file, if it says anything."""
    name, modality = key
    source = study.encoders.get(name)
    reading = source.reading.get(modality) if isinstance(source, FileSource) else None
    reading = None if reading == Reading() else reading
    return WeightsRef(source=name, modality=modality, sha256=prints.weights.get(key), reading=reading)
