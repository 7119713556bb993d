"""From a study to the runs it holds. Pure: reads no file, knows no folder; what lies on the disk is `Fingerprints`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from m2pt.config import RANDOM, FileSource, LabelsSource, MethodName, Modality, Setting, Study, Tuning
from m2pt.identity import PretrainSpec, RunSpec, WeightsRef

EncoderKey = tuple[str, Modality]
"""An encoder of a study: the name of its source and its modality."""


@dataclass(frozen=True)
class Fingerprints:
    """What the data and the weights of a study hold.

    `data` has the SHA-256 of each modality's data; `weights` that of each encoder's file, None where it is not made yet.
    """

    data: Mapping[Modality, str]
    weights: Mapping[EncoderKey, str | None]


def encoders_used(study: Study) -> list[EncoderKey]:
    """The encoders that the runs of a study load, in the order in which they are to be made (a start before its successor).

    An encoder that is declared and not used by the sweep is not among them.
    """
    wanted = {key for pair in _pairs(study) for key in _weights_of(study, *pair)}
    wanted |= {(source.start, modality) for name, modality in wanted if isinstance(source := study.encoders[name], LabelsSource)}
    names = sorted(study.encoders, key=lambda name: isinstance(study.encoders[name], LabelsSource))
    modalities = [*study.sweep.targets, *(m for m in study.sweep.auxiliaries if m not in study.sweep.targets)]
    return [key for key in product(names, modalities) if key in wanted]


def modalities_used(study: Study) -> list[Modality]:
    """The modalities whose data a study reads: its targets, and those of the encoders it pretrains."""
    made = [modality for name, modality in encoders_used(study) if not isinstance(study.encoders[name], FileSource)]
    return list(dict.fromkeys([*study.sweep.targets, *made]))


def pretrain_specs(study: Study, prints: Fingerprints) -> list[PretrainSpec]:
    """The pretraining runs of a study; one that goes on from an encoder comes after it, and is not `ready` before that exists."""
    return list(_pretrain_specs(study, prints))


def _pretrain_specs(study: Study, prints: Fingerprints) -> Iterator[PretrainSpec]:
    for name, modality in encoders_used(study):
        source = study.encoders[name]
        if isinstance(source, FileSource):
            continue
        yield PretrainSpec(
            modality=modality,
            source=name,
            seed=source.seed,
            input=getattr(study.inputs, modality),
            model=study.model,
            pretrain=study.pretrain.labels if isinstance(source, LabelsSource) else study.pretrain.mae,
            data_sha256=prints.data[modality],
            start=_reference(prints, (source.start, modality)) if isinstance(source, LabelsSource) else None,
        )


def run_specs(study: Study, prints: Fingerprints) -> list[RunSpec]:
    """The fine-tuning runs of a study, seed by seed, so that whole pairs of method and baseline are there early; no run twice."""
    sweep = study.sweep
    return [
        _run_spec(study, prints, target, method, auxiliary, setting, tuning, seed)
        for seed in sweep.seeds
        for target, method, auxiliary in _pairs(study)
        for setting, tuning in product(sweep.settings, sweep.tunings)
    ]


def _pairs(study: Study) -> list[tuple[Modality, MethodName, str]]:
    """Every (target, method, auxiliary) of the grid."""
    sweep = study.sweep
    return [
        (target, method, auxiliary)
        for target, method in product(sweep.targets, sweep.methods)
        for auxiliary in _auxiliaries(method, target, sweep.auxiliaries)
    ]


def _auxiliaries(method: MethodName, target: Modality, declared: tuple[Modality, ...]) -> tuple[str, ...]:
    match method:
        case "baseline":
            return ("",)
        case "pathway":
            return tuple(auxiliary for auxiliary in declared if auxiliary != target)
        case "random_auxiliary":
            return (RANDOM,)
        case "own_modality":
            return (target,)


def _weights_of(study: Study, target: Modality, method: MethodName, auxiliary: str) -> Iterator[EncoderKey]:
    """The encoders that one (target, method, auxiliary) loads; a random one is drawn, not loaded."""
    if "pretrained" in study.sweep.settings and study.sweep.target_encoder != RANDOM:
        yield study.sweep.target_encoder, target
    if (key := _auxiliary_key(study, target, method, auxiliary)) is not None:
        yield key


def _auxiliary_key(study: Study, target: Modality, method: MethodName, auxiliary: str) -> EncoderKey | None:
    if method in ("baseline", "random_auxiliary") or study.sweep.auxiliary_encoder == RANDOM:
        return None
    modality = next(m for m in (*study.sweep.auxiliaries, target) if m == auxiliary)
    return study.sweep.auxiliary_encoder, modality


def _run_spec(
    study: Study,
    prints: Fingerprints,
    target: Modality,
    method: MethodName,
    auxiliary: str,
    setting: Setting,
    tuning: Tuning,
    seed: int,
) -> RunSpec:
    target_key = (study.sweep.target_encoder, target)
    loads_target = setting == "pretrained" and study.sweep.target_encoder != RANDOM
    return RunSpec(
        target=target,
        auxiliary=auxiliary,
        method=method,
        setting=setting,
        tuning=tuning,
        seed=seed,
        input=getattr(study.inputs, target),
        model=study.model,
        finetune=study.finetune,
        pathway=None if method == "baseline" else study.pathway,
        data_sha256=prints.data[target],
        target_weights=_reference(prints, target_key) if loads_target else None,
        auxiliary_weights=_reference(prints, _auxiliary_key(study, target, method, auxiliary)),
    )


def _reference(prints: Fingerprints, key: EncoderKey | None) -> WeightsRef | None:
    return None if key is None else WeightsRef(source=key[0], modality=key[1], sha256=prints.weights.get(key))
