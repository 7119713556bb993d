"""From a study to the specs of its runs. Pure: it reads no file; what is on the disk comes in as `Fingerprints`."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from m2pt.config import (
    RANDOM,
    GivenSource,
    InputConfig,
    LabelPretrain,
    LabelsSource,
    MaePretrain,
    MaeSource,
    MethodName,
    Modality,
    ProceduralPretrain,
    ProceduralSource,
    Study,
    Tuning,
)
from m2pt.methods import METHODS
from m2pt.modalities.recipes import resolve
from m2pt.runs.identity import digest
from m2pt.runs.lineage import start_of
from m2pt.runs.plugins import PluginCode, code_used
from m2pt.runs.spec import EncoderKey, PretrainSpec, RunSpec
from pipelines.planning.auxiliary_encoders import Loads, auxiliary_keys, encoder_key
from pipelines.planning.run_maker import Fingerprints, RunMaker, modality_of, reads_samples, reference

Pair = tuple[str, MethodName, str]
"""A target, a method and an auxiliary (empty for none)."""


def encoders_used(study: Study) -> list[EncoderKey]:
    """The encoders that the runs of a study load, in the order to train them in: one that others start from comes first.

    An encoder that is declared but that no run loads is not among them.
    """
    return list(_encoders_used(Loads.of(study)))


@functools.lru_cache(maxsize=1024)  # the parts of a study are many, and few of them load anything else
def _encoders_used(loads: Loads) -> tuple[EncoderKey, ...]:
    study = loads.study
    parts = _unlike(study)
    draws = [(part, replicate) for part in parts for replicate in dict.fromkeys(replicate for _, replicate in draws_of(part))]
    wanted = {key for part, replicate in draws for pair in _pairs(part) for key in _weights_of(part, *pair, replicate)}
    wanted |= {start for key in wanted if (start := start_of(study.encoders, key)) is not None}
    names = sorted(study.encoders, key=lambda name: isinstance(study.encoders[name], LabelsSource))
    seen = dict.fromkeys(modality for part in parts for modality in _modalities(part))
    known = [EncoderKey(name, modality, seed) for name, modality in product(names, seen) for seed in _seeds(study, name)]
    return tuple(key for key in known if key in wanted)


def _unlike(study: Study) -> list[Study]:
    """The parts of a study that differ in what decides which data and encoders their runs read."""
    unlike: dict[str, Study] = {}
    for part in study.expanded().values():
        unlike.setdefault(part.model_dump_json(include={"sweep", "tasks", "encoders"}), part)
    return list(unlike.values())


def _seeds(study: Study, name: str) -> tuple[int | None, ...]:
    """The seeds that tell the encoders of a source apart."""
    source = study.encoders[name]
    return (None,) if isinstance(source, GivenSource) or source.seeds is None else source.seeds


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


def plugins_used(study: Study) -> list[PluginCode]:
    """The code of the plugins that add a modality, a data set or a method that the study names."""
    codes: dict[PluginCode, None] = {}
    for part in _unlike(study):
        datasets = [part.tasks[target].dataset for target in part.sweep.targets if target in part.tasks]
        codes |= dict.fromkeys(code_used(tuple(_modalities(part)), None, None))
        codes |= dict.fromkeys(code for name in datasets for code in code_used((), name, None))
        codes |= dict.fromkeys(code for name in part.sweep.methods for code in code_used((), None, name))
    return sorted(codes, key=lambda code: code.package)


def data_used(study: Study) -> list[str]:
    """The data that a study reads: those of its targets, and of the modalities whose encoders it pretrains on samples."""
    parts = _unlike(study)
    targets = [target for part in parts for target in part.sweep.targets]
    read = [key.modality for key in encoders_used(study) if isinstance(study.encoders[key.source], MaeSource | LabelsSource)]
    beside = [pair[2] for part in parts for pair in _pairs(part) if reads_samples(part, *pair)]
    return list(dict.fromkeys([*targets, *read, *beside]))


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
        if not isinstance(source := study.encoders[key.source], GivenSource)
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
        start=None if start is None else reference(study, prints, start),
        plugins=code_used((modality,), None, None),
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
    return list({digest(spec): spec for spec in specs}.values())


def _part_specs(study: Study, prints: Fingerprints, make: Callable[..., RunSpec]) -> Iterator[RunSpec]:
    made = RunMaker(study, prints, make)
    for draw, pair, setting in product(draws_of(study), _pairs(study), study.sweep.settings):
        for tuning in _tunings(study, pair[0]):
            yield made.run((*pair, setting, tuning), *draw)


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
