"""From a study to the specs of its runs. Pure: it reads no file; what is on the disk comes in as `Fingerprints`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from m2pt.config import (
    MODALITIES,
    RANDOM,
    FileSource,
    InputConfig,
    LabelPretrain,
    LabelsSource,
    MaePretrain,
    MaeSource,
    MethodName,
    Modality,
    ProceduralPretrain,
    ProceduralSource,
    Reading,
    Setting,
    Study,
    TaskConfig,
    Tuning,
)
from m2pt.methods import METHODS
from m2pt.modalities.recipes import resolve
from m2pt.runs.lineage import start_of
from m2pt.runs.spec import AuxiliaryData, EncoderKey, PretrainSpec, RunSpec, TaskSpec, WeightsRef
from pipelines.planning.auxiliary_encoders import auxiliary_keys, encoder_key

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
    replicate: int | None


def encoders_used(study: Study) -> list[EncoderKey]:
    """The encoders that the runs of a study load, in the order to train them in: one that others start from comes first.

    An encoder that is declared but that no run loads is not among them.
    """
    parts = _unlike(study)
    draws = [(part, replicate) for part in parts for replicate in dict.fromkeys(replicate for _, replicate in draws_of(part))]
    wanted = {key for part, replicate in draws for pair in _pairs(part) for key in _weights_of(part, *pair, replicate)}
    wanted |= {start for key in wanted if (start := start_of(study.encoders, key)) is not None}
    names = sorted(study.encoders, key=lambda name: isinstance(study.encoders[name], LabelsSource))
    seen = dict.fromkeys(modality for part in parts for modality in _modalities(part))
    known = [EncoderKey(name, modality, seed) for name, modality in product(names, seen) for seed in _seeds(study, name)]
    return [key for key in known if key in wanted]


def _unlike(study: Study) -> list[Study]:
    """The parts of a study that differ in what decides which data and encoders their runs read."""
    unlike: dict[str, Study] = {}
    for part in study.expanded().values():
        unlike.setdefault(part.model_dump_json(include={"sweep", "tasks", "encoders"}), part)
    return list(unlike.values())


def _seeds(study: Study, name: str) -> tuple[int | None, ...]:
    """The seeds that tell the encoders of a source apart."""
    source = study.encoders[name]
    return (None,) if isinstance(source, FileSource) or source.seeds is None else source.seeds


def draws_of(study: Study, seeds: Sequence[int] = ()) -> list[tuple[int, int | None]]:
    """The seed and the replicate of each run of a cell, in the order of the seeds (by default those of the sweep).

    The replicate is None where all encoders have one seed each. The seeds of a search's trials are paired or crossed in the same
    way, by their place among them.
    """
    seeds, count = seeds or study.sweep.seeds, study.replicates
    if count is None:
        return [(seed, None) for seed in seeds]
    if study.sweep.encoder_seeds == "crossed":
        return list(product(seeds, range(count)))
    return [(seed, place % count) for place, seed in enumerate(seeds)]


def _modalities(study: Study) -> list[Modality]:
    return [*(modality_of(study, target) for target in study.sweep.targets), *study.sweep.auxiliaries]


def data_used(study: Study) -> list[str]:
    """The data that a study reads: those of its targets, and of the modalities whose encoders it pretrains on samples."""
    parts = _unlike(study)
    targets = [target for part in parts for target in part.sweep.targets]
    read = [key.modality for key in encoders_used(study) if isinstance(study.encoders[key.source], MaeSource | LabelsSource)]
    beside = [pair[2] for part in parts for pair in _pairs(part) if _reads_samples(part, *pair)]
    return list(dict.fromkeys([*targets, *read, *beside]))


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
        if not isinstance(source := study.encoders[key.source], FileSource)
    ]


def made_by(study: Study, spec: PretrainSpec) -> EncoderKey:
    """The encoder that a pretraining makes."""
    return EncoderKey(spec.source, spec.modality, None if _seeds(study, spec.source) == (None,) else spec.seed)


def pretrain_spec(
    study: Study,
    key: EncoderKey,
    source: MaeSource | LabelsSource | ProceduralSource,
    prints: Fingerprints,
    make: Callable[..., PretrainSpec] = PretrainSpec,
) -> PretrainSpec:
    """The pretraining of one encoder from its `source`; `make` builds the spec."""
    modality = key.modality
    recipe: MaePretrain | LabelPretrain | ProceduralPretrain = getattr(study.pretrain, source.kind)
    start = start_of(study.encoders, key)
    return make(
        modality=modality,
        source=key.source,
        seed=source.seed if key.seed is None else key.seed,
        input=getattr(study.inputs, modality),
        model=study.model,
        pretrain=recipe if source.steps is None else recipe.model_copy(update={"steps": source.steps}),
        data_sha256="" if isinstance(source, ProceduralSource) else prints.data[modality],
        samples="real" if isinstance(source, ProceduralSource) else source.data,
        labels=source.labels if isinstance(source, LabelsSource) else "real",
        start=None if start is None else _reference(study, prints, start),
    )


def run_specs(study: Study, prints: Fingerprints) -> list[RunSpec]:
    """The fine-tuning runs of a study, each once; seed by seed, so that a method and its baseline are complete early."""
    return in_order(study, part_specs(study, prints))


def in_order(study: Study, parts: Mapping[str, Sequence[RunSpec]]) -> list[RunSpec]:
    """The runs of a study, each once, from those of its parts."""
    specs = [spec for specs in parts.values() for spec in specs]
    return sorted(distinct(specs), key=lambda spec: spec.seed) if study.parts else specs


def part_specs(study: Study, prints: Fingerprints, make: Callable[..., RunSpec] = RunSpec) -> dict[str, list[RunSpec]]:
    """The fine-tuning runs of each part of a study, by its name; a run can be in several parts. `make` builds the specs."""
    return {name: list(_part_specs(part, prints, make)) for name, part in study.expanded().items()}


def distinct(specs: list[RunSpec]) -> list[RunSpec]:
    """Equal runs once, in their order."""
    return list({spec.model_dump_json(): spec for spec in specs}.values())


def _part_specs(study: Study, prints: Fingerprints, make: Callable[..., RunSpec]) -> Iterator[RunSpec]:
    sweep = study.sweep
    for draw, (target, method, auxiliary), setting in product(draws_of(study), _pairs(study), sweep.settings):
        for tuning in _tunings(study, target):
            yield _run_spec(study, prints, Point(target, method, auxiliary, setting, tuning, *draw), make)


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
        case "no_modality":
            return ("",)
        case "all":
            return ("+".join(others),) if len(others) > 1 else ()


def _weights_of(study: Study, target: str, method: MethodName, auxiliary: str, replicate: int | None) -> Iterator[EncoderKey]:
    """The encoders that one (target, method, auxiliary) loads; a random encoder is drawn, not loaded."""
    modality = modality_of(study, target)
    if "pretrained" in study.sweep.settings and study.sweep.target_encoder != RANDOM:
        yield encoder_key(study, study.sweep.target_encoder, modality, replicate)
    yield from auxiliary_keys(study, method, auxiliary, modality, replicate)


def _run_spec(study: Study, prints: Fingerprints, point: Point, make: Callable[..., RunSpec]) -> RunSpec:
    method, modality = METHODS[point.method], modality_of(study, point.target)
    keys = auxiliary_keys(study, point.method, point.auxiliary, modality, point.replicate)
    loads_target = point.setting == "pretrained" and study.sweep.target_encoder != RANDOM
    target = encoder_key(study, study.sweep.target_encoder, modality, point.replicate) if loads_target else None
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
        replicate=point.replicate,
        input=form,
        model=study.model,
        finetune=recipe,
        pathway=None if method.pathway is None else study.pathway.model_copy(update=method.fixed),
        rivals=study.rivals if method.rivals else None,
        data_sha256=prints.data[point.target],
        target_weights=_reference(study, prints, target) if target else None,
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
    source = study.encoders.get(key.source)
    reading = source.reading.get(key.modality) if isinstance(source, FileSource) else None
    reading = None if reading == Reading() else reading
    return WeightsRef(source=key.source, modality=key.modality, seed=key.seed, sha256=prints.weights.get(key), reading=reading)
